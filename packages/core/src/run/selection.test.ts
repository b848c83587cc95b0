import { beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { Cluster, Host } from '../cluster/cluster.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import type { AnyComponent } from '../components/component.js';
import { idleVariables, resolveOptions } from './component-options.js';
import { BackupError } from '../model/errors.js';
import { select } from './selection.js';

async function refusal(work: () => unknown): Promise<BackupError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function host(name: string, variables: Host['variables'] = {}): Host {
  return {
    name,
    groups: [],
    variables,
    connection: plainConnection(name),
  };
}

const cluster: Cluster = {
  name: 'test',
  inventoryFile: 'inventory',
  inventorySha256: '0'.repeat(64),
  hosts: [host('lb1', { lsbackup_haproxy_level: 3 }), host('lb2'), host('mon1'), host('mq1')],
  namingGroups: new Map([
    ['worst', []],
    ['registry', []],
  ]),
  warnings: [],
  groups: new Map([
    ['all', ['lb1', 'lb2', 'mon1', 'mq1']],
    ['haproxy', ['lb1', 'lb2']],
    ['prometheus', ['mon1']],
    ['rabbitmq', ['mq1']],
    ['edge', ['lb1', 'mon1']],
  ]),
};

function component(name: string, area: string, groups: readonly string[]): AnyComponent {
  return {
    name,
    area,
    groups,
    after: [],
    options: z.strictObject({ level: z.int().default(1) }),
    discover: () => Promise.reject(new Error('not asked')),
    backup: () => Promise.reject(new Error('not asked')),
  };
}

const components = [
  component('haproxy', 'haproxy', ['haproxy', 'load_balancer']),
  component('prometheus', 'monitoring', ['prometheus']),
  component('alertmanager', 'monitoring', ['prometheus']),
  component('rabbitmq', 'rabbitmq', ['rabbitmq']),
  component('kafka', 'kafka', ['kafka']),
];

async function chosen(selection: Parameters<typeof select>[2]): Promise<Record<string, readonly string[]>> {
  const selected = (await select(cluster, components, selection)).filter(({ hosts }) => hosts.length > 0);
  return Object.fromEntries(selected.map(({ component: { name }, hosts }) => [name, hosts]));
}

describe('selection', () => {
  it('takes every host of every group, and no component without hosts', async () => {
    expect(await chosen({})).toEqual({
      haproxy: ['lb1', 'lb2'],
      prometheus: ['mon1'],
      alertmanager: ['mon1'],
      rabbitmq: ['mq1'],
    });
  });

  it.each([
    [['haproxy'], { haproxy: ['lb1', 'lb2'] }],
    [['monitoring'], { prometheus: ['mon1'], alertmanager: ['mon1'] }],
    [['area:monitoring'], { prometheus: ['mon1'], alertmanager: ['mon1'] }],
    [['prometheus'], { prometheus: ['mon1'] }],
    [['group:prometheus'], { prometheus: ['mon1'], alertmanager: ['mon1'] }],
    [['edge'], { haproxy: ['lb1'], prometheus: ['mon1'], alertmanager: ['mon1'] }],
    [['haproxy@lb2', 'rabbitmq'], { haproxy: ['lb2'], rabbitmq: ['mq1'] }],
    [['*@mon1'], { prometheus: ['mon1'], alertmanager: ['mon1'] }],
    [['ha*'], { haproxy: ['lb1', 'lb2'] }],
    [['haproxy@edge'], { haproxy: ['lb1'] }],
    [['haproxy@haproxy:!lb1', '*@prometheus[0]'], { haproxy: ['lb2'], prometheus: ['mon1'], alertmanager: ['mon1'] }],
    [['haproxy@lb*'], { haproxy: ['lb1', 'lb2'] }],
    [['load_balancer'], { haproxy: ['lb1', 'lb2'] }],
  ])('--only %j', async (only, expected) => {
    expect(await chosen({ only })).toEqual(expected);
  });

  it('leaves out what --skip and --limit say, with the reason', async () => {
    expect(await chosen({ skip: ['monitoring', 'haproxy@lb1'] })).toEqual({ haproxy: ['lb2'], rabbitmq: ['mq1'] });
    expect(await chosen({ limit: ['edge', 'mq*'] })).toEqual({
      haproxy: ['lb1'],
      prometheus: ['mon1'],
      alertmanager: ['mon1'],
      rabbitmq: ['mq1'],
    });
    const [haproxy] = await select(cluster, components, { skip: ['haproxy@lb1'] });
    expect(haproxy?.skipped).toEqual([{ host: 'lb1', reason: '--skip haproxy@lb1' }]);
  });

  it('names what is known when a name means nothing', async () => {
    expect(await refusal(() => select(cluster, components, { only: ['haproxi'] }))).toMatchObject({
      code: 'COMPONENT_UNKNOWN',
      message: 'unknown component "haproxi"',
      hint: 'Known components: haproxy, prometheus, alertmanager, rabbitmq, kafka; areas: monitoring; groups: edge, load_balancer.',
    });
    expect(await refusal(() => select(cluster, components, { skip: ['haproxy@web'] }))).toMatchObject({
      code: 'COMPONENT_UNKNOWN',
    });
    expect(await refusal(() => select(cluster, components, { skip: ['haproxy@'] }))).toMatchObject({
      code: 'COMPONENT_UNKNOWN',
    });
    expect(await refusal(() => select(cluster, components, { limit: ['web*'] }))).toMatchObject({ code: 'USAGE' });
  });

  it('takes the name of a group of a component for it also where the inventory has the group without hosts', async () => {
    const empty = { ...cluster, groups: new Map([...cluster.groups, ['load_balancer', []]]) };
    const selected = await select(empty, components, { skip: ['load_balancer'] });
    expect(selected[0]).toMatchObject({ component: { name: 'haproxy' }, hosts: [] });
  });

  it.each(['kafka', 'rabbitmq@lb1', '*@lb3*'])(
    'refuses --only %s where the inventory has nothing of it',
    async (text) => {
      expect(await refusal(() => select(cluster, components, { only: ['haproxy', text] }))).toMatchObject({
        exitStatus: 2,
        message: expect.stringContaining(text.replace('*@', '')) as unknown,
      });
    },
  );
});

describe('component options', () => {
  let selected: Awaited<ReturnType<typeof select>>;
  beforeAll(async () => {
    selected = await select(cluster, components, {});
  });
  const [haproxy] = components;
  const [lb1, lb2] = cluster.hosts;

  it('come from inventory variables, then the layers in order, each host for itself', () => {
    const none = resolveOptions(cluster, components, selected, []);
    expect([none(haproxy!, lb1!), none(haproxy!, lb2!)]).toEqual([{ level: 3 }, { level: 1 }]);
    const layered = resolveOptions(cluster, components, selected, [
      { source: 'lsbackup.yml', components: { haproxy: { level: 5 } }, hosts: { 'lb2*': { haproxy: { level: 6 } } } },
      { source: '--set', components: { rabbitmq: { level: 9 } } },
    ]);
    expect([layered(haproxy!, lb1!), layered(haproxy!, lb2!)]).toEqual([{ level: 5 }, { level: 6 }]);
  });

  it('are refused with component, host and source when they do not fit', async () => {
    const wrong = [{ source: 'lsbackup.yml', components: { haproxy: { levle: 5 } } }];
    expect(await refusal(() => resolveOptions(cluster, components, selected, wrong))).toMatchObject({
      code: 'OPTION_INVALID',
      component: 'haproxy',
      host: 'lb1',
      message: expect.stringContaining('haproxy.levle (lsbackup.yml): there is no such option') as unknown,
    });
    const unknown = [{ source: '--set', components: { haproxi: {} } }];
    expect(await refusal(() => resolveOptions(cluster, components, selected, unknown))).toMatchObject({
      code: 'COMPONENT_UNKNOWN',
    });
  });

  it('of no component are found among the inventory variables', () => {
    const variables = { lsbackup_haprxy_level: 3, lsbackup_haproxy_level: 1, lsbackup_transport: 'ssh', other: 1 };
    expect(idleVariables(host('lb1', variables), components)).toEqual(['lsbackup_haprxy_level']);
  });

  it('name what was expected and who gave the value, and refuse a pattern that fits no host', async () => {
    const wrong = [{ source: '--set', components: { haproxy: { level: 'high' } } }];
    expect((await refusal(() => resolveOptions(cluster, components, selected, wrong))).message).toMatch(
      /^options of haproxy on lb1: haproxy\.level \(--set\): .*expected/,
    );
    const idle = [{ source: 'lsbackup.yml', hosts: { 'web*': { haproxy: { level: 1 } } } }];
    expect(await refusal(() => resolveOptions(cluster, components, selected, idle))).toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('hosts: "web*": web* matches no host and no group (inventory)') as unknown,
    });
  });
});
