import { basename } from 'node:path';

import type { LocalUser, Login } from '../cluster.js';
import { loginOf } from './login.js';
import type { LoginSecrets } from './login.js';
import { simpleCommandWords } from './shell-command.js';
import { parseSshArguments, plainOption } from './ssh-arguments.js';
import type { SshConfigs } from './ssh-config.js';
import { parseDestination, parseJumps } from './ssh-names.js';
import type { NamedServer } from './ssh-names.js';
import type { Place, SshOption } from './ssh-options.js';
import { resolveOptions } from './ssh-resolution.js';
import type { ResolvedOptions } from './ssh-resolution.js';
import { expandTokens } from './ssh-tokens.js';

const mostHops = 8;

/** A call of ssh: what stands on its command line. */
export interface SshCall {
  readonly server: NamedServer;
  readonly options: readonly SshOption[];
  /** Of `-F`. */
  readonly configFile: string | undefined;
  /** For messages. */
  readonly place: Place;
}

/** What all hosts of an inventory share when the ways to them are looked for. */
export interface WayContext {
  readonly localUser: LocalUser;
  readonly configs: SshConfigs;
  /** Whether ssh itself will make the connection, and decide what only it can. */
  readonly decidedBySsh: boolean;
}

/** How to get to a server. */
export interface Way {
  readonly login: Login;
  /** From the nearest to the last. */
  readonly jumps: readonly Login[];
  readonly ignored: readonly string[];
}

/**
 * What ssh would do when it is called so, with all hops on the way, each with its own options: the configuration files apply to a jump
 * host as to any other, the options of the command line do not, except `-F`. Source: main in OpenSSH's ssh.c, which calls ssh again for
 * the last hop of a `ProxyJump`. Throws faults and refusals of places; a chain that comes back to itself, or of more than 8 hops, is
 * refused with its hosts. The password is for the server alone; the passphrase opens local files, so every hop has it.
 */
export async function findWay(call: SshCall, context: WayContext, secrets: LoginSecrets): Promise<Way> {
  return follow(call, context, secrets, []);
}

async function follow(
  call: SshCall,
  context: WayContext,
  secrets: LoginSecrets,
  passed: readonly string[],
): Promise<Way> {
  const { place, server } = call;
  const resolved = resolveOptions({
    name: server.host,
    options: [...call.options, ...serverOptions(server, place)],
    files: await context.configs.files(call.configFile),
    localUser: context.localUser,
    decidedBySsh: context.decidedBySsh,
  });
  const login = loginOf(resolved, context.localUser, secrets);
  const chain = [...passed, describe(login, context.localUser)];
  refuseLoop(chain, place);
  const proxy = resolved.option('proxy');
  const { ignored } = resolved;
  if (proxy === undefined || proxy.text.toLowerCase() === 'none') return { login, jumps: [], ignored };
  const tokens = proxyTokens(resolved, login, context.localUser);
  const jump =
    proxy.keyword === 'proxyjump' ? jumpCall(proxy, tokens, call) : commandCall(proxy, tokens, context.localUser);
  if (jump === 'direct') return { login, jumps: [], ignored };
  if (jump === 'command') {
    if (!context.decidedBySsh) refuseHandover(resolved);
    return { login: { ...login, proxyCommand: expandTokens(proxy.text, tokens, proxy.place) }, jumps: [], ignored };
  }
  const via = await follow(jump, context, { ...secrets, password: undefined }, chain);
  return { login, jumps: [...via.jumps, via.login], ignored: [...ignored, ...via.ignored] };
}

/** User and port of `user@host` count after the options, as ssh takes them. */
function serverOptions({ user, port }: NamedServer, place: Place): SshOption[] {
  return [
    ...(user === undefined ? [] : [plainOption('user', user, place)]),
    ...(port === undefined ? [] : [plainOption('port', port, place)]),
  ];
}

function describe({ user, address, port }: Login, localUser: LocalUser): string {
  return `${user ?? localUser.name}@${address}:${port}`;
}

function refuseLoop(chain: readonly string[], place: Place): void {
  const hops = chain.length - 1;
  const isLoop = new Set(chain).size < chain.length;
  if (!isLoop && hops <= mostHops) return;
  const problem = isLoop
    ? 'the jump hosts lead back to where they began'
    : `there are more than ${mostHops} jump hosts`;
  throw place.refusal(
    `${problem}: ${chain.join(' via ')}`,
    'Exclude the jump host from its own rule, as in "Host * !bastion", or set ProxyJump=none for it.',
  );
}

/** Source: ssh_config(5), TOKENS. */
function proxyTokens(resolved: ResolvedOptions, login: Login, localUser: LocalUser): ReadonlyMap<string, string> {
  return new Map([
    ['h', resolved.host],
    ['n', resolved.name],
    ['p', String(login.port)],
    ['r', login.user ?? localUser.name],
  ]);
}

/** The last hop, with the others in front of it as its own `ProxyJump`. */
function jumpCall(proxy: SshOption, tokens: ReadonlyMap<string, string>, call: SshCall): SshCall | 'direct' {
  const { place } = proxy;
  const expand = (text: string): string => expandTokens(text, tokens, place);
  const text = proxy.text.replace(/#.*$/s, '');
  const hops = parseJumps(text) ?? [];
  const last = hops.at(-1);
  if (last === undefined) return 'direct';
  const server = { ...last, host: expand(last.host), user: last.user === undefined ? undefined : expand(last.user) };
  const before = expand(text.slice(0, Math.max(0, text.lastIndexOf(','))));
  const options = hops.length === 1 ? [] : [plainOption('proxyjump', before, place)];
  return { server, options, configFile: call.configFile, place };
}

/** `ssh -W %h:%p ... bastion` is a jump with options of its own; any other command stays one. */
function commandCall(proxy: SshOption, tokens: ReadonlyMap<string, string>, localUser: LocalUser): SshCall | 'command' {
  const { place } = proxy;
  const [program = '', ...words] = withoutExec(simpleCommandWords(proxy.text, localUser.homeDirectory) ?? []);
  if (basename(program) !== 'ssh') return 'command';
  const { options, operands } = parseSshArguments(words, place);
  const forward = options.find(({ keyword }) => keyword === '-W')?.text;
  const [destination] = operands;
  if (operands.length !== 1 || destination === undefined || !['%h:%p', '[%h]:%p'].includes(forward ?? ''))
    return 'command';
  const expanded = options.map((option) => expandOption(option, tokens));
  const server = parseDestination(expandTokens(destination, tokens, place));
  if (server === undefined) throw place.fault('the ssh in ProxyCommand names no server that ssh would take');
  return {
    server,
    options: expanded.filter(({ keyword }) => keyword !== '-W' && keyword !== '-F'),
    configFile: expanded.findLast(({ keyword }) => keyword === '-F')?.text,
    place,
  };
}

function withoutExec(words: readonly string[]): readonly string[] {
  return words[0] === 'exec' ? words.slice(1) : words;
}

/** Tokens are expanded in the whole command before ssh is called with it. */
function expandOption(option: SshOption, tokens: ReadonlyMap<string, string>): SshOption {
  const expand = (text: string): string => expandTokens(text, tokens, option.place);
  return { ...option, words: option.words.map(expand), text: expand(option.text) };
}

function refuseHandover(resolved: ResolvedOptions): void {
  const handover = resolved.option('proxyusefdpass');
  if (handover === undefined || !['yes', 'true'].includes(handover.words[0]?.toLowerCase() ?? '')) return;
  throw handover.place.refusal(
    'the ProxyCommand hands its connection over (ProxyUseFdpass), which only ssh itself can take',
    'Set lsbackup_transport=openssh for the host: the ssh program of the system connects then.',
  );
}
