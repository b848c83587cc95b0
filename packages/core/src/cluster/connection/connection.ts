import { join } from 'node:path';

import type { Secret } from '../../model/secret.js';
import type { Connection, LocalUser } from '../cluster.js';
import type { ConfiguredConnections } from '../ansible-config/config-settings.js';
import type { InventoryHost } from '../inventory/inventory.js';
import type { Vault } from '../inventory/vault.js';
import { paramikoArgumentsOf, sshArgumentsOf } from './ansible-arguments.js';
import type { AnsibleArguments } from './ansible-arguments.js';
import { becomeOf, ignoredBecomeVariables } from './become.js';
import { HostSettings } from './host-settings.js';
import type { Setting } from './host-settings.js';
import { plainConnection } from './plain-connection.js';
import { parseDestination } from './ssh-names.js';
import type { NamedServer } from './ssh-names.js';
import type { Way, Ways } from './way.js';

/** What all hosts of an inventory share. */
export interface ConnectionContext {
  /** The inventory file, for messages. */
  readonly file: string;
  readonly user: LocalUser;
  /** What Ansible's configuration file sets. */
  readonly configured: ConfiguredConnections;
  readonly ways: Ways;
  readonly vault: Vault;
  /** What the user was asked for: where the inventory has no password. */
  readonly password: Secret | undefined;
  readonly becomePassword: Secret | undefined;
}

type Plugin = 'ssh' | 'paramiko' | 'local';

const plugins: ReadonlyMap<string, Plugin> = new Map(
  [
    ['ssh', 'ssh'],
    ['smart', 'ssh'],
    ['paramiko', 'paramiko'],
    ['paramiko_ssh', 'paramiko'],
    ['local', 'local'],
  ].flatMap(([name = '', plugin]) => [name, `ansible.builtin.${name}`].map((each) => [each, plugin as Plugin])),
);

const transports: ReadonlyMap<string, Connection['transport']> = new Map([
  ['auto', 'ssh'],
  ['ssh', 'ssh'],
  ['openssh', 'openssh'],
]);

/** Ways to log in that are not followed: told by name only, since what they hold is secret. */
const unusedVariables = ['ansible_private_key', 'ansible_ssh_private_key', 'ansible_ssh_pkcs11_provider'];

/**
 * How to reach a host and become root on it: from its `ansible_*` variables, the ssh arguments among them, and the configuration files
 * of ssh. Throws INVENTORY_UNSUPPORTED for what this version cannot do and must not pass over (connections other than ssh and local,
 * other ways to become root than sudo and su, templates that are more than references, a rule of ssh's configuration that only ssh can decide), INVENTORY_SYNTAX for a
 * value that makes no sense, both with file, line, host and variable; CONFIG_INVALID for a configuration file of ssh, with its
 * line; VAULT_PASSWORD for an encrypted value that is needed.
 */
export async function connectionOf(host: InventoryHost, context: ConnectionContext): Promise<Connection> {
  const settings = new HostSettings(host, context.file, context.vault, context.configured);
  const plugin = pluginOf(settings);
  const become = becomeOf(settings, context.becomePassword);
  const unused = ignoredBecomeVariables(settings, become);
  if (plugin === 'local') {
    const address = settings.text('address') ?? host.name;
    return { ...plainConnection(address), transport: 'local', become, ignoredOptions: unused };
  }
  refuseOtherProgram(settings);
  const transport = transportOf(settings);
  const destination = destinationOf(host, settings);
  const password = settings.secret('password') ?? context.password;
  const facts = { localUser: context.user, hasPassword: password !== undefined };
  const sshArguments = plugin === 'ssh' ? sshArgumentsOf(settings, facts) : paramikoArgumentsOf(settings, facts);
  const passphrase = settings.secret('passphrase') ?? (plugin === 'paramiko' ? password : undefined);
  const way = await wayOf({ settings, server: destination.server, sshArguments, plugin, transport }, context, {
    password,
    passphrase,
  });
  if (sshArguments.hidden !== undefined) refuseShowing(settings, sshArguments.hidden, { ...way, transport });
  // Ansible's paramiko connection does not read ssh's configuration.
  const unread = plugin === 'paramiko' ? ['-F', 'none'] : [];
  return {
    ...way.login,
    transport,
    become,
    jumps: way.jumps,
    sshDestination: destination.text,
    sshArguments: sshArguments.hidden !== undefined ? [] : [...unread, ...sshArguments.words],
    ...(sshArguments.hidden !== undefined && { hiddenArguments: true }),
    ignoredOptions: [
      // ssh itself follows them all.
      ...(transport === 'openssh' ? [] : way.ignored),
      ...settings.present(unusedVariables),
      ...unused,
    ],
  };
}

function pluginOf(settings: HostSettings): Plugin {
  const name = settings.text('connection') ?? 'ssh';
  const plugin = plugins.get(name);
  if (plugin !== undefined) return plugin;
  throw settings.refusal(
    'connection',
    `ansible_connection=${settings.shown('connection')} is not supported, only ssh, paramiko and local are`,
    'Leave the host out with --limit, or give it an address to reach by ssh.',
  );
}

/** Where it is known already that the ssh program of the system is needed, which has its arguments where everybody can read them. */
function refuseShowing(
  settings: HostSettings,
  hidden: Setting,
  { transport, login, jumps }: Way & Pick<Connection, 'transport'>,
): void {
  const needed = [login, ...jumps].some(({ certificateFiles }) => certificateFiles.length > 0)
    ? 'a certificate needs'
    : transport === 'openssh'
      ? 'lsbackup_transport chooses'
      : undefined;
  if (needed === undefined) return;
  throw settings.refusal(
    hidden,
    `the ssh arguments come from an encrypted variable, and ${needed} the ssh program of the system, which would show them in the list of processes`,
    'Set the ssh arguments where nothing is encrypted.',
  );
}

function transportOf(settings: HostSettings): Connection['transport'] {
  const name = settings.text('transport') ?? 'auto';
  const transport = transports.get(name);
  if (transport !== undefined) return transport;
  throw settings.fault(
    'transport',
    `lsbackup_transport=${settings.shown('transport')} is none of ${[...transports.keys()].join(', ')}`,
  );
}

/** Where systems have ssh. A program of the same name elsewhere may be a wrapper with its own idea of where a host is. */
const systemDirectories = ['/bin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'];
const sshPrograms = new Set(['ssh', ...systemDirectories.map((directory) => join(directory, 'ssh'))]);

function refuseOtherProgram(settings: HostSettings): void {
  const program = settings.text('sshExecutable') ?? 'ssh';
  if (sshPrograms.has(program)) return;
  throw settings.refusal(
    'sshExecutable',
    `ansible_ssh_executable=${settings.shown('sshExecutable')} is not supported`,
    'Reach the host by ssh itself, or leave it out with --limit.',
  );
}

function destinationOf(
  host: InventoryHost,
  settings: HostSettings,
): { readonly text: string; readonly server: NamedServer } {
  const text = settings.text('address') ?? host.name;
  if (text === '') throw settings.fault('address', 'ansible_host is empty');
  const server = parseDestination(text);
  if (server === undefined) throw settings.fault('address', 'ssh would not take the address');
  return { text, server };
}

interface Wanted {
  readonly settings: HostSettings;
  readonly server: NamedServer;
  readonly sshArguments: AnsibleArguments;
  readonly plugin: Plugin;
  readonly transport: Connection['transport'];
}

function wayOf(
  wanted: Wanted,
  context: ConnectionContext,
  secrets: { readonly password: Secret | undefined; readonly passphrase: Secret | undefined },
): Promise<Way> {
  const { options } = wanted.sshArguments;
  const named = options.findLast(({ keyword }) => keyword === '-F')?.text;
  return context.ways.find(
    {
      server: wanted.server,
      options: options.filter(({ keyword }) => keyword !== '-F'),
      configFile: wanted.plugin === 'paramiko' ? 'none' : named,
      decidedBySsh: wanted.transport === 'openssh',
      place: wanted.settings.place('address'),
    },
    secrets,
  );
}
