import { basename } from 'node:path';

import type { LocalUser, Login } from '../cluster.js';
import { loginOf } from './login.js';
import type { LoginSecrets } from './login.js';
import { simpleCommandWords } from './shell-command.js';
import { parseSshArguments, plainOption } from './ssh-arguments.js';
import type { SshConfigs } from './ssh-config.js';
import { parseDestination, parseJumps } from './ssh-names.js';
import type { NamedServer } from './ssh-names.js';
import type { OptionPlace, SshOption } from './ssh-options.js';
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
  /** Whether ssh itself will make the connection, and decide what only it can. */
  readonly decidedBySsh: boolean;
  /** For messages. */
  readonly place: OptionPlace;
}

/** What all hosts of an inventory share when the ways to them are looked for. */
export interface WayContext {
  readonly localUser: LocalUser;
  readonly configs: SshConfigs;
}

/** How to get to a server. */
export interface Way {
  readonly login: Login;
  /** From the nearest to the last. */
  readonly jumps: readonly Login[];
  readonly ignored: readonly string[];
}

/** A way with the servers on it, from its end to the nearest, as ssh is called with them. */
interface NamedWay extends Way {
  readonly chain: readonly string[];
}

const noSecrets: LoginSecrets = { password: undefined, passphrase: undefined };

/** Finds the ways to hosts; the way to a jump host once for all hosts behind it. */
export class Ways {
  private readonly known = new Map<string, NamedWay>();

  constructor(private readonly context: WayContext) {}

  /**
   * What ssh would do when it is called so, with all hops on the way, each with its own options: the configuration files apply to a jump
   * host as to any other, the options of the command line do not, except `-F`. Source: main in OpenSSH's ssh.c, which calls ssh again for
   * the last hop of a `ProxyJump`. Throws faults and refusals of places; a chain that comes back to itself, or of more than 8 hops, is
   * refused with its hosts. The password is for the server alone; the passphrase opens local files, so every hop has it.
   */
  async find(call: SshCall, secrets: LoginSecrets): Promise<Way> {
    const { login, jumps, ignored } = await this.follow(call, []);
    const { passphrase } = secrets;
    return {
      login: { ...login, ...secrets },
      jumps: passphrase === undefined ? jumps : jumps.map((jump) => ({ ...jump, passphrase })),
      ignored,
    };
  }

  private async follow(call: SshCall, passed: readonly string[]): Promise<NamedWay> {
    const { place, server } = call;
    const { localUser } = this.context;
    const resolved = resolveOptions({
      name: server.host,
      options: [...call.options, ...serverOptions(server, place)],
      files: await this.context.configs.files(call.configFile),
      localUser,
      decidedBySsh: call.decidedBySsh,
    });
    const login = loginOf(resolved, localUser, noSecrets);
    const name = `${login.user ?? localUser.name}@${resolved.name}:${login.port}`;
    refuseLoop([...passed, name], place);
    const direct = { login, jumps: [], ignored: resolved.ignored, chain: [name] };
    const proxy = resolved.option('proxy');
    if (proxy === undefined || proxy.text.toLowerCase() === 'none') return direct;
    const tokens = proxyTokens(resolved, login, localUser);
    const jump =
      proxy.keyword === 'proxyjump' ? jumpCall(proxy, tokens, call) : commandCall(proxy, tokens, call, localUser);
    if (jump === 'direct') return direct;
    if (jump === 'command') {
      if (!call.decidedBySsh) refuseHandover(resolved);
      return { ...direct, login: { ...login, proxyCommand: expandTokens(proxy.text, tokens, proxy.place) } };
    }
    const via = await this.jump(jump, [...passed, name]);
    return {
      login,
      jumps: [...via.jumps, via.login],
      ignored: [...resolved.ignored, ...via.ignored],
      chain: [name, ...via.chain],
    };
  }

  private async jump(call: SshCall, passed: readonly string[]): Promise<NamedWay> {
    const options = call.options.map(({ keyword, words, overrides }) => [keyword, words, overrides]);
    const key = JSON.stringify([call.server, options, call.configFile, call.decidedBySsh]);
    const known = this.known.get(key);
    if (known !== undefined) {
      refuseLoop([...passed, ...known.chain], call.place);
      return known;
    }
    const way = await this.follow(call, passed);
    this.known.set(key, way);
    return way;
  }
}

/** User and port of `user@host` count after the options, as ssh takes them. */
function serverOptions({ user, port }: NamedServer, place: OptionPlace): SshOption[] {
  return [
    ...(user === undefined ? [] : [plainOption('user', user, place)]),
    ...(port === undefined ? [] : [plainOption('port', port, place)]),
  ];
}

function refuseLoop(chain: readonly string[], place: OptionPlace): void {
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
  return { ...call, server, options, place };
}

/** `ssh -W %h:%p ... bastion` is a jump with options of its own; any other command stays one. */
function commandCall(
  proxy: SshOption,
  tokens: ReadonlyMap<string, string>,
  call: SshCall,
  localUser: LocalUser,
): SshCall | 'command' {
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
    decidedBySsh: call.decidedBySsh,
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
