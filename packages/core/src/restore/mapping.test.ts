import { expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.js';
import type { Metadata } from '../model/metadata.js';
import { fakeInventoryHost } from '../testing/fake-host.js';
import { smallComponent } from '../testing/small-component.js';
import { createMapping, movedHosts } from './mapping.js';

function clusterOf(groups: Readonly<Record<string, readonly string[]>>, inventoryFile = 'new/inventory'): Cluster {
  const names = [...new Set(Object.values(groups).flat())];
  return {
    name: 'test',
    inventoryFile,
    inventorySha256: '0'.repeat(64),
    hosts: names.map((name) => fakeInventoryHost(name, { become: false })),
    namingGroups: new Map(),
    warnings: [],
    groups: new Map(Object.entries(groups)),
  };
}

function archiveOf(...names: readonly string[]): Metadata {
  return { hosts: names.map((name) => ({ name, address: name, port: 22, reached: true })) } as unknown as Metadata;
}

const components = [smallComponent('a')];
const other = { ...smallComponent('b'), groups: ['other'] };

it('lets a host stand for itself, and says which one is missing', () => {
  const mapping = createMapping({ metadata: archiveOf('x', 'y'), cluster: clusterOf({ small: ['x'] }), components });
  expect(mapping.target('x').name).toBe('x');
  expect(mapping.isChosen('x')).toBe(false);
  expect(() => mapping.target('y')).toThrow(
    expect.objectContaining({ code: 'RESTORE_HOST', hint: expect.stringContaining('--map y=HOST') }),
  );
});

it('takes names that were given for others, and refuses names that mean nothing', () => {
  const request = { metadata: archiveOf('x'), cluster: clusterOf({ small: ['n'] }), components };
  const mapping = createMapping({ ...request, map: new Map([['x', 'n']]) });
  expect([mapping.target('x').name, mapping.isChosen('x')]).toEqual(['n', true]);
  for (const map of [new Map([['q', 'n']]), new Map([['x', 'q']])])
    expect(() => createMapping({ ...request, map })).toThrow(expect.objectContaining({ code: 'RESTORE_HOST' }));
});

it('pairs hosts by their order in the groups of components', () => {
  const from = clusterOf({ small: ['a1', 'a2', 'same'], other: ['b1'], unknown: ['z'] }, 'old/inventory');
  const cluster = clusterOf({ small: ['n1', 'same', 'n2'], other: ['n9'] });
  const mapping = createMapping({
    metadata: archiveOf('a1', 'a2', 'same', 'b1'),
    cluster,
    components: [...components, other],
    from,
  });
  expect(['a1', 'a2', 'same', 'b1'].map((name) => mapping.target(name).name)).toEqual(['n1', 'n2', 'same', 'n9']);
  expect(['a1', 'same'].map((name) => mapping.isChosen(name))).toEqual([true, true]);
});

it('gives what was mapped by name to nobody else', () => {
  const from = clusterOf({ small: ['a1', 'a2'] }, 'old/inventory');
  const mapping = createMapping({
    metadata: archiveOf('a1', 'a2'),
    cluster: clusterOf({ small: ['n1', 'n2'] }),
    components,
    from,
    map: new Map([['a2', 'n1']]),
  });
  expect(['a1', 'a2'].map((name) => mapping.target(name).name)).toEqual(['n2', 'n1']);
});

it('leaves out hosts of groups that do not fit, and says why when one is wanted', () => {
  const from = clusterOf({ small: ['a1', 'a2'] }, 'old/inventory');
  const cluster = clusterOf({ small: ['n1'] });
  const short = createMapping({ metadata: archiveOf('a1', 'a2'), cluster, components, from });
  expect([short.target('a1').name, short.find('a2')]).toEqual(['n1', undefined]);
  expect(() => short.target('a2')).toThrow(/group small of new\/inventory has nobody left to take the place of a2/);
  const twice = createMapping({
    metadata: archiveOf('a1'),
    cluster: clusterOf({ small: ['n1'], other: ['n2'] }),
    components: [...components, other],
    from: clusterOf({ small: ['a1'], other: ['a1'] }, 'old/inventory'),
  });
  expect(twice.find('a1')).toBeUndefined();
  expect(() => twice.target('a1')).toThrow(/both n1 and n2/);
});

it('knows hosts whose name or address changed, and leaves out those that nothing stands for', () => {
  const metadata = archiveOf('x', 'y', 'z');
  const cluster = clusterOf({ small: ['x', 'n'] });
  const mapping = createMapping({ metadata, cluster, components, map: new Map([['y', 'n']]) });
  const [x] = cluster.hosts;
  const records = metadata.hosts.map((host) => ({
    ...host,
    address: host.name === 'x' ? (x?.connection.address ?? '') : '10.0.0.9',
  }));
  expect(movedHosts(records, mapping)).toEqual([
    { archived: ['y', '10.0.0.9'], target: 'n', address: mapping.target('y').connection.address },
  ]);
});
