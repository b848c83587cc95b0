import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { LocalUser, Login } from '../cluster.js';
import { loginOf } from './login.js';
import { parseSshArguments } from './ssh-arguments.js';
import { ConfigPlace } from './ssh-config-file.js';
import { SshConfigs } from './ssh-config.js';
import { parseDestination } from './ssh-names.js';
import type { SshOption } from './ssh-options.js';
import { resolveOptions } from './ssh-resolution.js';

const run = promisify(execFile);

/** As ssh knows the user: from the password file, not from the environment. */
export const localUser: LocalUser = { name: userInfo().username, homeDirectory: userInfo().homedir };

/** What `ssh -G` and this program say about a call, in the same words; `refused` where it would not connect. */
export type Answer = Readonly<Record<string, string>> | 'refused';

const compared = [
  'hostname', 'user', 'port', 'identityfile', 'certificatefile', 'identitiesonly', 'identityagent', 'userknownhostsfile',
  'globalknownhostsfile', 'hostkeyalias', 'stricthostkeychecking', 'hashknownhosts', 'revokedhostkeys', 'serveraliveinterval',
  'serveralivecountmax', 'connecttimeout', 'proxycommand', 'proxyjump', 'pubkeyauthentication', 'passwordauthentication', 'kbdinteractiveauthentication',
]; // prettier-ignore

/** What OpenSSH says. */
export async function sshAnswer(configFile: string, words: readonly string[]): Promise<Answer> {
  const lines = await run('ssh', ['-G', '-F', configFile, ...words]).then(
    ({ stdout }) => stdout.trim().split('\n'),
    () => undefined,
  );
  if (lines === undefined) return 'refused';
  const values: Record<string, string> = {};
  for (const line of lines) {
    const [keyword = '', ...rest] = line.split(' ');
    if (!compared.includes(keyword)) continue;
    values[keyword] = [...(values[keyword] === undefined ? [] : [values[keyword]]), rest.join(' ')].join(' | ');
  }
  return values;
}

/** What this program says. */
export async function ourAnswer(configFile: string, words: readonly string[]): Promise<Answer> {
  const place = new ConfigPlace('command line', 1);
  try {
    const { options, operands } = parseSshArguments(words, place);
    const server = parseDestination(operands[0] ?? '');
    if (server === undefined) return 'refused';
    const destination = ['user', 'port'].flatMap((keyword) => {
      const value = keyword === 'user' ? server.user : server.port;
      return value === undefined ? [] : parseSshArguments(['-o', `${keyword}="${value}"`], place).options;
    });
    const files = await new SshConfigs(localUser.homeDirectory, { user: '', system: '' }).files(configFile);
    const resolved = resolveOptions({
      name: server.host,
      options: [...options, ...destination],
      files,
      localUser,
      decidedBySsh: false,
    });
    const login = loginOf(resolved, localUser, { password: undefined, passphrase: undefined });
    return inWordsOfSsh(login, resolved.option, resolved.identityFiles, resolved.certificateFiles);
  } catch (error) {
    if (error instanceof TypeError) throw error;
    return 'refused';
  }
}

function inWordsOfSsh(
  login: Login,
  option: (keyword: string) => SshOption | undefined,
  identityFiles: readonly SshOption[],
  certificateFiles: readonly SshOption[],
): Answer {
  const home = localUser.homeDirectory;
  const proxy = option('proxy');
  const hasProxy = proxy !== undefined && proxy.text.toLowerCase() !== 'none';
  const written = option('stricthostkeychecking')?.words[0]?.toLowerCase() ?? 'ask';
  const optional: Record<string, string | undefined> = {
    hostname: login.address,
    user: login.user ?? localUser.name,
    port: String(login.port),
    identityfile: joined(identityFiles) ?? defaultIdentities,
    certificatefile: joined(certificateFiles),
    identitiesonly: yesOrNo(login.identitiesOnly),
    identityagent:
      option('identityagent')?.words[0] === 'SSH_AUTH_SOCK' ? 'SSH_AUTH_SOCK' : (login.agentSocket ?? undefined),
    userknownhostsfile: names(login.hostKeys.userFiles) ?? `${home}/.ssh/known_hosts ${home}/.ssh/known_hosts2`,
    globalknownhostsfile: names(login.hostKeys.globalFiles) ?? '/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2',
    hostkeyalias: login.hostKeys.alias,
    stricthostkeychecking: ['no', 'off', 'false'].includes(written)
      ? 'false'
      : ['yes', 'true'].includes(written)
        ? 'true'
        : written,
    hashknownhosts: yesOrNo(login.hostKeys.hash),
    revokedhostkeys: option('revokedhostkeys')?.words[0],
    serveraliveinterval: String(login.keepAliveSeconds ?? 0),
    serveralivecountmax: String(login.keepAliveCount ?? 3),
    connecttimeout: String(login.connectSeconds ?? 'none'),
    proxycommand: hasProxy && proxy.keyword === 'proxycommand' ? proxy.text : undefined,
    proxyjump:
      hasProxy && proxy.keyword === 'proxyjump'
        ? proxy.text.replace(/\s*#.*$/, '').replaceAll('ssh://', '')
        : undefined,
    pubkeyauthentication: login.authentications.includes('publickey') ? 'true' : 'false',
    passwordauthentication: yesOrNo(login.authentications.includes('password')),
    kbdinteractiveauthentication: yesOrNo(login.authentications.includes('keyboard-interactive')),
  };
  return Object.fromEntries(
    Object.entries(optional).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

const defaultIdentities = ['rsa', 'ecdsa', 'ecdsa_sk', 'ed25519', 'ed25519_sk', 'xmss', 'dsa']
  .map((kind) => `~/.ssh/id_${kind}`)
  .join(' | ');

function joined(options: readonly SshOption[]): string | undefined {
  return options.length === 0 ? undefined : options.map(({ words }) => words[0]).join(' | ');
}

function names(files: readonly string[] | undefined): string | undefined {
  return files?.length === 0 ? 'none' : files?.join(' ');
}

function yesOrNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

/** Writes a configuration, with files that it includes named `%I/name` in it. */
export async function writeConfig(
  directory: string,
  config: string,
  included: Readonly<Record<string, string>> = {},
): Promise<string> {
  const content = (text: string): string => text.replaceAll('%I', directory);
  for (const [name, text] of Object.entries(included)) await writeFile(join(directory, name), content(text));
  const file = join(directory, 'config');
  await writeFile(file, content(config));
  return file;
}
