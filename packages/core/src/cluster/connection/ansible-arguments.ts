import { join } from 'node:path';

import type { LocalUser } from '../cluster.js';
import { splitShellWords } from '../python/shell-words.js';
import type { HostSettings, Setting } from './host-settings.js';
import { parseSshArguments, plainOption } from './ssh-arguments.js';
import type { SshOption } from './ssh-options.js';

/** What Ansible writes on ssh's command line before the host, as words and as the options that they are. */
export interface AnsibleArguments {
  readonly words: readonly string[];
  /** The first setting that is encrypted and gives words; user, port and key file only name where to go. */
  readonly hidden: Setting | undefined;
  readonly options: readonly SshOption[];
}

/** What the arguments depend on. */
export interface LoginFacts {
  readonly localUser: LocalUser;
  readonly hasPassword: boolean;
}

/**
 * The arguments of a host in Ansible's order, in which the first of two options counts: `ansible_ssh_args`, the variables,
 * `ansible_ssh_common_args`, `ansible_ssh_extra_args`. Source: _build_command of ansible-core 2.19's ssh connection; without what Ansible
 * sets by itself to keep connections open and to give up after 10 s. Throws the settings' faults for what ssh would not take, and for a
 * word that is no option: ssh would take it for the host.
 */
export function sshArgumentsOf(settings: HostSettings, facts: LoginFacts): AnsibleArguments {
  return joined([
    ofText('sshArguments', settings),
    ofVariables(settings, facts),
    ofText('commonArguments', settings),
    ofText('extraArguments', settings),
  ]);
}

/** With its paramiko connection Ansible calls no ssh and reads no ssh arguments: options that mean the same. */
export function paramikoArgumentsOf(settings: HostSettings, facts: LoginFacts): AnsibleArguments {
  const command = ofVariable('paramikoProxyCommand', settings, (text) => `ProxyCommand=${text}`);
  refuseHidden('paramikoProxyCommand', settings, command.options);
  return joined([ofVariables(settings, facts), command]);
}

const nothing: AnsibleArguments = { words: [], hidden: undefined, options: [] };

function joined(parts: readonly AnsibleArguments[]): AnsibleArguments {
  return {
    words: parts.flatMap(({ words }) => words),
    hidden: parts.find(({ hidden }) => hidden !== undefined)?.hidden,
    options: parts.flatMap(({ options }) => options),
  };
}

function ofVariables(settings: HostSettings, { localUser, hasPassword }: LoginFacts): AnsibleArguments {
  const unchecked = settings.yesOrNo('hostKeyChecking') === false;
  return joined([
    unchecked ? ofOptions(['StrictHostKeyChecking=no'], 'hostKeyChecking', settings) : nothing,
    ofInteger('port', settings, (port) => `Port=${port}`),
    ofVariable('privateKeyFile', settings, (file) => `IdentityFile="${escaped(expandHome(file, localUser))}"`),
    hasPassword ? nothing : withoutPassword(settings),
    ofVariable('user', settings, (user) => `User="${user}"`),
    ofInteger('timeout', settings, (seconds) => `ConnectTimeout=${seconds}`),
  ]);
}

/** Ansible asks for keys only where it has no password. */
const keysOnly = {
  KbdInteractiveAuthentication: 'no',
  PreferredAuthentications: 'gssapi-with-mic,gssapi-keyex,hostbased,publickey',
  PasswordAuthentication: 'no',
};
const keysOnlyWords = Object.entries(keysOnly).flatMap(([name, value]) => ['-o', `${name}=${value}`]);

function withoutPassword(settings: HostSettings): AnsibleArguments {
  const place = settings.place('password');
  const options = Object.entries(keysOnly).map(([name, value]) => plainOption(name.toLowerCase(), value, place));
  return { words: keysOnlyWords, hidden: undefined, options };
}

function ofVariable(setting: Setting, settings: HostSettings, write: (value: string) => string): AnsibleArguments {
  const value = settings.text(setting);
  return value === undefined || value === '' ? nothing : ofOptions([write(value)], setting, settings);
}

function ofInteger(setting: Setting, settings: HostSettings, write: (digits: string) => string): AnsibleArguments {
  const digits = settings.integer(setting);
  return digits === undefined ? nothing : ofOptions([write(digits)], setting, settings);
}

function ofOptions(options: readonly string[], setting: Setting, settings: HostSettings): AnsibleArguments {
  const words = options.flatMap((option) => ['-o', option]);
  return { words, hidden: undefined, options: parseSshArguments(words, settings.place(setting)).options };
}

/** Ansible leaves a quote as it is, and ssh then looks for another file. */
function escaped(file: string): string {
  return file.replaceAll(/["\\]/g, '\\$&');
}

/** Ansible expands `~` itself; ssh does so in the other ways to name a key. */
function expandHome(file: string, localUser: LocalUser): string {
  return file === '~' || file.startsWith('~/') ? join(localUser.homeDirectory, file.slice(1)) : file;
}

function ofText(setting: Setting, settings: HostSettings): AnsibleArguments {
  const words = wordsOf(setting, settings);
  if (words.length === 0) return nothing;
  const { options, operands } = parseSshArguments(words, settings.place(setting));
  if (operands.length > 0) {
    throw settings.fault(setting, 'the ssh arguments have a word that is no option: ssh would take it for the host');
  }
  if (options.some(({ keyword }) => keyword === '-W')) {
    throw settings.fault(setting, 'with -W ssh would connect to another machine and run nothing');
  }
  refuseHidden(setting, settings, options);
  return { words, hidden: settings.isEncrypted(setting) ? setting : undefined, options };
}

/** A command would be seen in the list of processes, and a file's name in the messages about it. */
function refuseHidden(setting: Setting, settings: HostSettings, options: readonly SshOption[]): void {
  const names: Readonly<Record<string, string>> = { proxycommand: 'a ProxyCommand', '-F': 'a configuration file (-F)' };
  const found = options.find(({ keyword, text }) => keyword in names && text.toLowerCase() !== 'none');
  if (found === undefined || !settings.isEncrypted(setting)) return;
  throw settings.refusal(
    setting,
    `the ssh arguments come from an encrypted variable and have ${names[found.keyword] ?? ''}, which cannot be kept secret`,
    'Set it where nothing is encrypted, and keep a password for it in a file that the command reads, or use ProxyJump.',
  );
}

function wordsOf(setting: Setting, settings: HostSettings): readonly string[] {
  const text = settings.text(setting);
  if (text === undefined) return [];
  try {
    return splitShellWords(text, { comments: false });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw settings.fault(setting, `the ssh arguments cannot be read: ${error.message}`);
  }
}
