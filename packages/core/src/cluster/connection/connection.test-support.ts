import type { Connection, LocalUser } from '../cluster.js';
import { nothingConfigured } from '../ansible-config/config-settings.js';
import type { InventoryHost, InventoryValue } from '../inventory/inventory.js';
import { Vault } from '../inventory/vault.js';
import { parseIniInventory } from '../inventory/ini-inventory.js';
import { connectionOf } from './connection.js';
import type { ConnectionContext } from './connection.js';
import { SshConfigs } from './ssh-config.js';
import { Ways } from './way.js';

export const user: LocalUser = { name: 'me', homeDirectory: '/home/me' };

const noConfigs = new SshConfigs(user.homeDirectory, { user: '/nowhere/config', system: '/nowhere/ssh_config' });

type Answers = Partial<Pick<ConnectionContext, 'password' | 'becomePassword' | 'configured'>> & {
  readonly configs?: SshConfigs;
};

/** The connection of the host `web1` whose inventory has these `[all:vars]`, without configuration files of ssh. */
export function connect(...variables: readonly string[]): Promise<Connection> {
  return connect.with({}, ...variables);
}

connect.with = (answers: Answers, ...variables: readonly string[]): Promise<Connection> => {
  const lines = ['[web]', 'web1', '[all:vars]', ...variables];
  const host = parseIniInventory(lines, '/build/inventory').hosts.get('web1');
  if (host === undefined) throw new Error('web1 is missing');
  return reach(host, answers);
};

/** The connection of a host with these variables, all of line 4. */
connect.values = (values: Readonly<Record<string, InventoryValue>>, answers: Answers = {}): Promise<Connection> => {
  const variables = new Map(
    Object.entries(values).map(([name, value]) => [name, { value, file: '/build/inventory', line: 4 }]),
  );
  return reach({ name: 'web1', groups: ['web'], variables, place: { file: '/build/inventory', line: 2 } }, answers);
};

function reach(host: InventoryHost, { configs = noConfigs, ...answers }: Answers): Promise<Connection> {
  const nothing = { password: undefined, becomePassword: undefined };
  return connectionOf(host, {
    file: '/build/inventory',
    user,
    ways: new Ways({ localUser: user, configs }),
    vault: new Vault(),
    configured: nothingConfigured,
    ...nothing,
    ...answers,
  });
}
