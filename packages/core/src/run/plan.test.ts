import { expect, it } from '@jest/globals';
import { FakeHost, fakeInventoryHost } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import { plan } from './plan.js';

it('names the hosts and the groups that no component covers, whatever the flags leave out', async () => {
  const small = smallCluster(['a', 'b']);
  const cluster = {
    ...small,
    hosts: [...small.hosts, fakeInventoryHost('registry1'), fakeInventoryHost('alone')],
    namingGroups: new Map([...small.namingGroups, ['registry', []], ['ungrouped', []]]),
    groups: new Map([...small.groups, ['registry', ['registry1']], ['ungrouped', ['alone']]]),
  };
  const asked: string[] = [];
  const { units, uncoveredGroups, uncoveredHosts } = await plan({
    cluster,
    user: { name: 'admin', homeDirectory: '/home/admin' },
    components: [smallComponent('small')],
    limit: ['a'],
    connect: ({ name }) => {
      asked.push(name);
      return Promise.resolve(new FakeHost({ name }));
    },
  });
  expect(units.map(({ name, status }) => [name, status])).toEqual([
    ['b', 'skipped'],
    ['a', 'planned'],
  ]);
  expect(uncoveredGroups).toEqual(['registry', 'ungrouped']);
  expect(uncoveredHosts).toEqual(['registry1', 'alone']);
  expect(asked).toEqual(['a']);
});
