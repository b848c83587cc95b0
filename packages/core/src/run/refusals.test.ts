import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import type { Cluster, Host } from '../cluster/cluster.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import type { AnyComponent } from '../components/component.js';
import { BackupError } from '../model/errors.js';
import { plan } from './plan.js';

const haproxy: AnyComponent = {
  name: 'haproxy',
  area: 'haproxy',
  groups: ['haproxy'],
  after: [],
  options: z.strictObject({}),
  discover: () => Promise.reject(new Error('not asked')),
  backup: () => Promise.reject(new Error('not asked')),
};

function host(name: string, message?: string): Host {
  const refusal =
    message === undefined ? {} : { refusal: new BackupError('INVENTORY_UNSUPPORTED', message, { host: name }) };
  return { name, groups: ['haproxy'], variables: {}, connection: plainConnection(name), ...refusal };
}

function clusterOf(hosts: readonly Host[], members = hosts): Cluster {
  return {
    name: 'test',
    inventoryFile: '/b/inventory',
    inventorySha256: '0'.repeat(64),
    hosts,
    namingGroups: new Map([['haproxy', []]]),
    warnings: [],
    groups: new Map([['haproxy', members.map(({ name }) => name)]]),
  };
}

/** What became of a plan, and which hosts were called. */
async function tried(cluster: Cluster, limit?: readonly string[]) {
  const called: string[] = [];
  const connect = (wanted: Host) => {
    called.push(wanted.name);
    return Promise.reject(new BackupError('HOST_UNREACHABLE', `${wanted.name}: away`));
  };
  const user = { name: 'me', homeDirectory: '/home/me' };
  const error: unknown = await plan({ cluster, components: [haproxy], user, connect, ...(limit && { limit }) }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, called };
}

describe('hosts that cannot be reached as the inventory says', () => {
  it('stop everything before a host is touched, all in one error', async () => {
    const hosts = [host('a'), host('b', '/b/inventory:2: host b: winrm'), host('c', '/b/inventory:3: host c: docker')];
    const { error, called } = await tried(clusterOf(hosts));
    expect(called).toEqual([]);
    expect(error).toMatchObject({
      code: 'INVENTORY_UNSUPPORTED',
      exitStatus: 2,
      message:
        '2 hosts cannot be reached as the inventory says:\n  /b/inventory:2: host b: winrm\n  /b/inventory:3: host c: docker',
      hint: expect.stringContaining('--limit'),
    });
  });

  it('say the same thing once, and name ten at most', async () => {
    const same = [host('b', 'config:1: bad'), host('c', 'config:1: bad')];
    expect((await tried(clusterOf(same))).error).toMatchObject({ message: 'config:1: bad', host: 'b' });
    const many = Array.from({ length: 12 }, (_, index) => host(`h${index}`, `reason ${index}`));
    const { error } = await tried(clusterOf(many));
    expect(error).toMatchObject({ message: expect.stringMatching(/^12 hosts .*\n {2}reason 9\n {2}and 2 more$/s) });
  });

  it('do not matter where they are left out, by a flag or by having no component', async () => {
    const hosts = [host('a'), host('b', 'winrm')];
    expect(await tried(clusterOf(hosts), ['a'])).toMatchObject({ error: { code: 'NO_HOST_REACHED' }, called: ['a'] });
    expect(await tried(clusterOf(hosts, hosts.slice(0, 1)))).toMatchObject({
      error: { code: 'NO_HOST_REACHED' },
      called: ['a'],
    });
  });
});
