import { join, resolve } from 'node:path';

import type { Connection, LocalUser } from '../cluster.js';
import { plainConnection, plainHostKeyPolicy } from './plain-connection.js';
import { Vault } from '../inventory/vault.js';
import { HostSettings } from './host-settings.js';
import type { Setting } from './host-settings.js';
import type { InventoryHost } from '../inventory/inventory.js';
import { parseInteger } from '../python/python-number.js';
import { parseSshArguments, splitOptionValue } from './ssh-options.js';
import type { SshOption } from './ssh-options.js';

/** Ways to log in that this version has not: told by name only, since what they hold is secret. */
const unusedVariables = [
  'ansible_password',
  'ansible_ssh_pass',
  'ansible_ssh_password',
  'ansible_private_key',
  'ansible_ssh_private_key',
  'ansible_private_key_passphrase',
  'ansible_ssh_private_key_passphrase',
  'ansible_become_password',
  'ansible_become_pass',
  'ansible_sudo_pass',
];

const sshTransports = new Set(
  ['ssh', 'smart', 'paramiko', 'paramiko_ssh'].flatMap((name) => [name, `ansible.builtin.${name}`]),
);
const sudoMethods = new Set(['sudo', 'ansible.builtin.sudo']);

/** Ignoring one of these would connect to another machine, or pass by the way that leads there. */
const routingOptions = new Set(['proxyjump', 'proxycommand', '-F', '-W', '-w']);

/** An option of ssh with the setting it comes from. */
interface PlacedOption extends SshOption {
  readonly setting: Setting;
}

/**
 * How to log in to a host, from its `ansible_*` variables. Options count in the order in which Ansible puts them on ssh's command
 * line, where the first one wins: `ansible_ssh_args`, then the variables, then `ansible_ssh_common_args` and
 * `ansible_ssh_extra_args`. `file` is for messages. Throws INVENTORY_UNSUPPORTED for what this version cannot do and must not pass
 * over (jump hosts, other connections than ssh, other ways to become root than sudo, templates that are more than references),
 * INVENTORY_SYNTAX for a value that makes no sense, VAULT_PASSWORD for an encrypted one that is needed; all name file, line and variable.
 */
export function connectionOf(
  host: InventoryHost,
  place: { readonly file: string; readonly user: LocalUser; readonly vault?: Vault },
): Connection {
  const settings = new HostSettings(host, place.file, place.vault ?? new Vault());
  refuseOtherTransports(settings);
  const options = sshOptions(settings);
  const used = new Map<string, PlacedOption>();
  const first = (name: string): PlacedOption | undefined => {
    const option = options.find((candidate) => candidate.name === name);
    if (option !== undefined) used.set(name, option);
    return option;
  };
  const pathOf = (name: string, option: PlacedOption): string =>
    localPath(name, { option, settings, user: place.user });
  const connection = {
    ...plainConnection(''),
    address: first('hostname')?.value ?? addressOf(host, settings),
    port: portOf(first('port'), settings),
    user: first('user')?.value,
    identityFiles: identityFilesOf(first('identityfile'), pathOf),
    become: becomeOf(settings) ? ({ method: 'sudo', password: undefined } as const) : undefined,
    hostKeys: {
      ...plainHostKeyPolicy,
      userFiles: knownHostsFilesOf(first('userknownhostsfile'), pathOf),
      strict: hostKeyCheckingOf(first('stricthostkeychecking'), settings),
    },
    keepAliveSeconds: secondsOf(first('serveraliveinterval'), settings),
  };
  // Taken in: a link is given up after the same time whatever its interval, so the count says nothing more.
  first('serveralivecountmax');
  const unused = unusedVariables.filter((name) => host.variables.has(name));
  return { ...connection, ignoredOptions: [...ignoredOptions(options, used), ...unused] };
}

function refuseOtherTransports(settings: HostSettings): void {
  const transport = settings.text('transport');
  if (transport === undefined || sshTransports.has(transport)) return;
  const hint = 'Take the host out of the inventory, or give it an address to reach by ssh.';
  throw settings.refusal('transport', `ansible_connection=${transport} is not supported, only ssh is`, hint);
}

/** All options in the order in which ssh would see them. */
function sshOptions(settings: HostSettings): PlacedOption[] {
  const ofVariable = (setting: Setting, name: string): PlacedOption[] => {
    const value = settings.text(setting);
    return value === undefined || value === '' ? [] : [{ name, value, written: name, setting }];
  };
  const unchecked: PlacedOption[] =
    settings.yesOrNo('hostKeyChecking') === false
      ? [{ name: 'stricthostkeychecking', value: 'no', written: '', setting: 'hostKeyChecking' }]
      : [];
  return [
    ...argumentOptions('sshArguments', settings),
    ...unchecked,
    ...ofVariable('port', 'port'),
    ...ofVariable('privateKeyFile', 'identityfile'),
    ...ofVariable('user', 'user'),
    ...argumentOptions('commonArguments', settings),
    ...argumentOptions('extraArguments', settings),
  ];
}

function argumentOptions(setting: Setting, settings: HostSettings): PlacedOption[] {
  let options: SshOption[];
  try {
    options = parseSshArguments(settings.text(setting) ?? '');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw settings.fault(setting, `the ssh arguments cannot be read: ${error.message}`);
  }
  const route = options.find((option) => routingOptions.has(option.name) && option.value.toLowerCase() !== 'none');
  if (route !== undefined) {
    const hint =
      'Jump hosts and ssh configuration files are not supported yet: use addresses that this machine reaches itself.';
    throw settings.refusal(
      setting,
      `${route.written} is not supported, and connecting without it would be wrong`,
      hint,
    );
  }
  return options.map((option) => ({ ...option, setting }));
}

function isFromArguments(option: PlacedOption): boolean {
  return option.setting.endsWith('Arguments');
}

/** A second option of one name changes nothing, as in ssh, but a second key file would. `accept-new` is taken as `yes`. */
function ignoredOptions(options: readonly PlacedOption[], used: ReadonlyMap<string, PlacedOption>): string[] {
  const ignored = options.filter((option) => {
    const winner = used.get(option.name);
    if (winner === undefined || option.value.toLowerCase() === 'accept-new') return true;
    return option.name === 'identityfile' && option !== winner;
  });
  return ignored.filter(isFromArguments).map((option) => option.written);
}

function addressOf(host: InventoryHost, settings: HostSettings): string {
  const address = settings.text('address');
  if (address === '') throw settings.fault('address', 'ansible_host is empty');
  return address ?? host.name;
}

function portOf(option: PlacedOption | undefined, settings: HostSettings): number {
  if (option === undefined) return 22;
  const port = parseInteger(option.value);
  if (port !== undefined && port >= 1n && port <= 65_535n) return Number(port);
  throw settings.fault(option.setting, 'the port is no number from 1 to 65535');
}

function identityFilesOf(
  option: PlacedOption | undefined,
  pathOf: (name: string, option: PlacedOption) => string,
): readonly string[] | undefined {
  if (option === undefined) return undefined;
  const name = isFromArguments(option) ? splitOptionValue(option.value).join(' ') : option.value;
  return name === 'none' ? [] : [pathOf(name, option)];
}

function knownHostsFilesOf(
  option: PlacedOption | undefined,
  pathOf: (name: string, option: PlacedOption) => string,
): readonly string[] | undefined {
  if (option === undefined) return undefined;
  if (option.value === 'none') return [];
  return splitOptionValue(option.value).map((name) => pathOf(name, option));
}

/** A program that cannot ask a person is as strict as `yes`. */
function hostKeyCheckingOf(option: PlacedOption | undefined, settings: HostSettings): 'yes' | 'no' {
  const value = (option?.value ?? 'yes').toLowerCase();
  if (['no', 'off', 'false'].includes(value)) return 'no';
  if (option === undefined || ['yes', 'true', 'ask', 'accept-new'].includes(value)) return 'yes';
  throw settings.fault(option.setting, `StrictHostKeyChecking=${option.value} is not known to ssh`);
}

/** ssh's times: `60`, `90s`, `5m`, `1h`; 0 turns keep-alives off. */
function secondsOf(option: PlacedOption | undefined, settings: HostSettings): number | undefined {
  if (option === undefined) return undefined;
  const [, digits, unit = ''] = /^([0-9]{1,6})([smh]?)$/i.exec(option.value) ?? [];
  if (digits === undefined) throw settings.fault(option.setting, `ServerAliveInterval=${option.value} is no time`);
  return Number(digits) * ({ m: 60, h: 3600 }[unit.toLowerCase()] ?? 1);
}

function becomeOf(settings: HostSettings): boolean {
  if (settings.yesOrNo('become') === false) return false;
  const method = settings.text('becomeMethod');
  if (method !== undefined && !sudoMethods.has(method)) {
    throw settings.refusal(
      'becomeMethod',
      `ansible_become_method=${method} is not supported`,
      'Only sudo is supported.',
    );
  }
  const user = settings.text('becomeUser');
  if (user !== undefined && user !== 'root') {
    throw settings.refusal('becomeUser', `ansible_become_user=${user} is not supported`, 'Only root is supported.');
  }
  return true;
}

/** Absolute, with `~` and ssh's tokens `%d` (home directory), `%u` (local user) and `%%` expanded. */
function localPath(
  name: string,
  at: { readonly option: PlacedOption; readonly settings: HostSettings; readonly user: LocalUser },
): string {
  const { option, settings, user } = at;
  const tokens: ReadonlyMap<string, string> = new Map([
    ['%d', user.homeDirectory],
    ['%u', user.name],
    ['%%', '%'],
  ]);
  const expanded = name.replace(/%.?/gs, (token) => {
    const value = tokens.get(token);
    if (value === undefined)
      throw settings.refusal(option.setting, `"${token}" in the path ${name} is not supported`, 'Write the path out.');
    return value;
  });
  if (expanded === '~') return user.homeDirectory;
  if (expanded.startsWith('~/')) return join(user.homeDirectory, expanded.slice(2));
  if (expanded.startsWith('~')) {
    throw settings.refusal(
      option.setting,
      `the path ${name} is in another user's home directory`,
      'Write the path out.',
    );
  }
  return resolve(expanded);
}
