import { describe, expect, it } from '@jest/globals';
import type { AnyStepKind, MovedHost, Step, StepContext, StepState } from '../restore.js';
import {
  archived,
  type Content,
  FakeBroker,
  fakeRestore,
  password,
  unitBackup,
  type FakeRestore,
} from './broker.test-support.js';
import { definitionsBaseline, parseDefinitions } from './definitions.js';
import { exactJsonText, parseExactJson } from './exact-json.js';
import { rabbitmq } from './index.js';
import { keptDirectory, keptFile } from './kept.js';
import { removalProgram } from './removal.js';
import { wantedDefinitions } from './wanted.js';

const kinds = rabbitmq.stepKinds!;
const plan = (fake: FakeRestore, unit = unitBackup()): Promise<readonly Step[]> =>
  rabbitmq.restore!(fake.planning, unit);
const kindOf = ({ kind }: Step): AnyStepKind => kinds.find(({ name }) => name === kind)!;
const nothing: Content = Object.fromEntries(Object.keys(archived).map((kind) => [kind, []]));
const changed = (kind: string, entries: readonly object[]): Content => ({
  ...archived,
  [kind]: entries as Content[string],
});

async function apply(fake: FakeRestore, step: Step): Promise<StepState> {
  const kind = kindOf(step);
  await kind.apply(fake.running, kind.params.parse(step.params), await kind.prepare(fake.running, step.params));
  return kind.probe(fake.running, step.params, {});
}

async function revert(fake: FakeRestore, step: Step): Promise<StepState> {
  await kindOf(step).revert!(fake.running, step.params, {});
  return kindOf(step).probe(fake.running, step.params, {});
}

describe('the plan of a restore of RabbitMQ', () => {
  it('keeps, imports and compares, and shows no secret', async () => {
    const broker = new FakeBroker(nothing);
    const fake = fakeRestore(broker);
    const steps = await plan(fake, unitBackup({ baseline: definitionsBaseline(JSON.stringify(archived)) }));
    expect(steps.map(({ id, set, host, isDestructive }) => [id, set, host, isDestructive ?? false])).toEqual([
      ['rabbitmq@mq1/keep-definitions', 'rabbitmq@mq1', 'mq1', false],
      ['rabbitmq@mq1/import-definitions', 'rabbitmq@mq1', 'mq1', true],
      ['rabbitmq@mq1/verify', 'rabbitmq@mq1', 'mq1', false],
    ]);
    expect(steps[1]).toMatchObject({
      title: 'import 2 virtual hosts, 2 users, 1 queues, 1 exchanges, 1 bindings, 1 policies',
      preview: [
        'sudo -n -u rabbitmq rabbitmqctl import_definitions /var/lib/rabbitmq/.lsbackup-run-1.json --format json --silent --timeout 600',
      ],
      reads: ['rabbitmq/mq1/definitions.json'],
      params: { user: 'rabbitmq', home: '/var/lib/rabbitmq', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(JSON.stringify(steps)).not.toContain(password);
    expect([fake.warnings, fake.findings]).toEqual([[], []]);
    for (const step of steps)
      expect(kindOf(step).params.parse(JSON.parse(JSON.stringify(step.params)))).toEqual(step.params);
    expect(broker.done).toEqual([]);
  });

  it.each([
    ['3.10.8', '3.9.27', 'RESTORE_VERSION'],
    ['4.0.1', '3.13.7', 'RESTORE_VERSION'],
    ['3.10.8', '3.10.2', undefined],
    ['3.8.9', '4.1.0', undefined],
  ])('from %s to %s: %s', async (from, to, code) => {
    const fake = fakeRestore(new FakeBroker(nothing, { version: to }));
    const planned = plan(fake, unitBackup({ product: { name: 'RabbitMQ', version: from, detectedBy: '' } }));
    if (code === undefined) await expect(planned).resolves.toHaveLength(3);
    else await expect(planned).rejects.toMatchObject({ code });
  });

  it('fails where the node is down, where there is no rabbitmqctl, and where nothing was saved', async () => {
    const broker = new FakeBroker(nothing);
    broker.host.answer(/^rabbitmqctl (status|cluster)/, { status: 69, stderr: 'Error: unable to connect' });
    await expect(plan(fakeRestore(broker))).rejects.toMatchObject({ code: 'SERVICE_DOWN' });
    broker.host.answer(/^rabbitmqctl (status|cluster)/, { status: 127 });
    await expect(plan(fakeRestore(broker))).rejects.toMatchObject({ code: 'SERVICE_MISSING' });
    const without = { ...unitBackup(), artifacts: [] };
    await expect(plan(fakeRestore(broker), without)).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  });

  it.each([
    [{ vhost: ['shop', 'none'] }, 'none'],
    [{ exact: ['perhaps'] }, 'yes or no'],
  ])('refuses %j', async (selected, message) => {
    await expect(plan(fakeRestore(new FakeBroker(nothing), archived, selected))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['queues', { ...archived.queues![0], arguments: { 'x-max-length': 1 } }, 'queue "q" in virtual host "shop"'],
    ['exchanges', { ...archived.exchanges![0], type: 'fanout' }, 'exchange "x" in virtual host "shop"'],
  ])('refuses %s that are there with other properties, unless exact=yes', async (kind, other, label) => {
    const content = changed(kind, [other]);
    await expect(plan(fakeRestore(new FakeBroker(content)))).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message: expect.stringContaining(label),
      hint: expect.stringContaining('exact=yes'),
    });
    const [, importing] = await plan(fakeRestore(new FakeBroker(content), archived, { exact: ['yes'] }));
    expect(importing!.title).toContain(label);
  });

  it('names what exact=yes will remove, and how that cannot be undone', async () => {
    const broker = new FakeBroker({
      ...archived,
      vhosts: [...archived.vhosts!, { name: 'new' }],
      queues: [...archived.queues!, { ...archived.queues![0]!, vhost: 'new', name: 'n' }],
    });
    const steps = await plan(fakeRestore(broker, archived, { exact: ['yes'] }));
    expect(steps.at(-1)).toMatchObject({
      kind: 'rabbitmq.remove-extra',
      isDestructive: true,
      title:
        'REMOVE 2 objects that the archive does not have, WITH THE MESSAGES IN THEM: queue "n" in virtual host "new"; virtual host "new"',
    });
    expect('revert' in kindOf(steps.at(-1)!)).toBe(false);
  });

  describe('of what names the old cluster', () => {
    const federation = { vhost: 'shop', component: 'federation-upstream' };
    const content: Content = {
      ...archived,
      parameters: [
        {
          vhost: 'shop',
          component: 'shovel',
          name: 's',
          value: {
            'src-uri': ['amqp://me:hush@mq1:5672/%2f?auth_mechanism=hush'],
            'dest-uri': 'amqps://other:hush@far.example.com',
            password: 'hush mq1 10.0.0.5',
          },
        },
        { ...federation, name: 'f', value: { uri: 'amqp://mq10' } },
        { ...federation, name: 'a', value: { uri: 'amqp://u:hush@10.0.0.5/' } },
        { ...federation, name: 'd', value: { uri: 'amqp://10.0.0.7:5672', note: '# 10.0.0.7' } },
      ],
      global_parameters: [
        { name: 'cluster_name', value: 'rabbit@mq1' },
        { name: 'seen', value: { by: 'first\n10.0.0.5' } },
      ],
      policies: [
        { vhost: '/', name: 'ha', pattern: '.*', definition: { 'ha-mode': 'nodes', 'ha-params': ['rabbit@mq1'] } },
      ],
    };
    const db1 = { archived: ['db1', '10.0.0.7'], target: 'db1', address: '192.0.2.7' };
    const reported = async (name: string, moved: readonly MovedHost[]): Promise<readonly (readonly string[])[]> => {
      const fake = fakeRestore(new FakeBroker(nothing, { name }), content, {}, moved);
      await plan(fake);
      expect(JSON.stringify(fake.findings)).not.toContain('hush');
      expect(fake.findings.every(({ host }) => host === name)).toBe(true);
      return fake.findings.map(({ where, text, why }) => [where.replace(/^rabbitmq /, ''), text, why]);
    };
    const shop = (name: string): string => `parameter ${name} in virtual host "shop"`;

    it('reports names and addresses, and all connections, where it comes to another host', async () => {
      const mq1 = { archived: ['mq1', '10.0.0.5'], target: 'mq9', address: '192.0.2.1' };
      const connection = 'a connection that the cluster in the archive makes; mq9 will make it too';
      expect(await reported('mq9', [mq1, db1])).toEqual([
        [shop('shovel/s'), 'amqp://mq1:5672/%2f', 'mq1 is mq9, 192.0.2.1 now'],
        [shop('shovel/s'), 'amqps://far.example.com', connection],
        [shop('federation-upstream/f'), 'amqp://mq10', connection],
        [shop('federation-upstream/a'), 'amqp://10.0.0.5/', '10.0.0.5 is mq9, 192.0.2.1 now'],
        [shop('federation-upstream/d'), 'amqp://10.0.0.7:5672', '10.0.0.7 is 192.0.2.7 now'],
        [shop('federation-upstream/d'), '# 10.0.0.7', '10.0.0.7 is 192.0.2.7 now'],
        ['global parameter seen', 'first\n10.0.0.5', '10.0.0.5 is mq9, 192.0.2.1 now'],
        ['policy ha in virtual host "/"', 'rabbit@mq1', 'mq1 is mq9, 192.0.2.1 now'],
      ]);
    });

    it('reports the same where only the address is another', async () => {
      const mq1 = { archived: ['mq1', '10.0.0.5'], target: 'mq1', address: '192.0.2.1' };
      const found = await reported('mq1', [mq1]);
      expect(found.map(([, text]) => text)).toContain('amqps://far.example.com');
      expect(found).toContainEqual([shop('federation-upstream/a'), 'amqp://10.0.0.5/', '10.0.0.5 is 192.0.2.1 now']);
    });

    it('reports the name of a node that is called otherwise now', async () => {
      expect(await reported('mq9', [])).toContainEqual([
        'policy ha in virtual host "/"',
        'rabbit@mq1',
        'mq1 is a name of the cluster in the archive, whose place mq9 takes',
      ]);
    });

    it('reports only what names another host that moved, where it stays', async () => {
      expect((await reported('mq1', [db1])).map(([, text]) => text)).toEqual(['amqp://10.0.0.7:5672', '# 10.0.0.7']);
      expect(await reported('mq1', [])).toEqual([]);
    });
  });

  it('warns of another cluster name, of members that are down', async () => {
    const broker = new FakeBroker(nothing);
    const cluster = {
      cluster_name: 'rabbit@mq1',
      disk_nodes: ['rabbit@mq1', 'rabbit@mq2'],
      running_nodes: ['rabbit@mq1'],
    };
    broker.host.answer(/^rabbitmqctl cluster_status/, { stdout: JSON.stringify(cluster) });
    const fake = fakeRestore(broker, changed('global_parameters', [{ name: 'cluster_name', value: 'shop' }]));
    await plan(fake);
    expect(fake.warnings).toEqual([
      { code: 'RMQ_NODE', message: expect.stringContaining('rabbit@mq2') },
      { code: 'RMQ_NAME', message: expect.stringContaining('will be named shop') },
    ]);
  });
});

describe('the definitions that are imported', () => {
  const choice = { version: '3.13.0', vhosts: null, users: [] };
  const wanted = (content: Content, more: Partial<Parameters<typeof wantedDefinitions>[1]> = {}) =>
    wantedDefinitions(parseDefinitions(JSON.stringify(content)), { ...choice, ...more });

  it('are without mirroring from RabbitMQ 4 on, and say so', () => {
    const policy = { vhost: 'shop', name: 'p', pattern: '.*', definition: { 'ha-mode': 'all', 'message-ttl': 5 } };
    const only = { ...policy, name: 'only', definition: { 'ha-mode': 'all' } };
    const operator = {
      vhost: 'shop',
      component: 'operator_policy',
      name: 'o',
      value: {
        pattern: '',
        definition: [
          ['ha-mode', 'all'],
          ['expires', 5],
        ],
      },
    };
    const content: Content = { ...archived, policies: [policy, only], parameters: [operator] };
    expect(wanted(content).notes).toEqual([]);
    const { definitions, notes } = wanted(content, { version: '4.0.5' });
    expect(definitions.policies).toEqual([{ ...policy, definition: { 'message-ttl': 5 } }]);
    expect(definitions.parameters).toEqual([{ ...operator, value: { pattern: '', definition: { expires: 5 } } }]);
    expect(notes).toEqual([
      expect.stringMatching(/"p" .*ha-mode/),
      expect.stringMatching(/"only" .*not at all/),
      expect.stringMatching(/"o" /),
    ]);
  });

  it('are without what an import refuses or cannot make', () => {
    const { definitions, notes } = wanted({
      ...archived,
      vhosts: [
        { name: 'shop', default_queue_type: 'undefined', metadata: { default_queue_type: 'undefined', tags: [] } },
      ],
      queues: [...archived.queues!, { vhost: 'shop', name: 'amq.gen-1', durable: true, auto_delete: false }],
      bindings: [
        ...archived.bindings!,
        {
          vhost: 'shop',
          source: 'x',
          destination: 'exclusive',
          destination_type: 'queue',
          routing_key: '',
          arguments: {},
        },
        {
          vhost: 'shop',
          source: 'internal',
          destination: 'q',
          destination_type: 'queue',
          routing_key: '',
          arguments: {},
        },
        {
          vhost: 'shop',
          source: 'amq.topic',
          destination: 'q',
          destination_type: 'queue',
          routing_key: '',
          arguments: {},
        },
      ],
    });
    expect(definitions.vhosts).toEqual([{ name: 'shop', metadata: { tags: [] } }]);
    expect(definitions.bindings.map(({ source, destination }) => [source, destination])).toEqual([
      ['x', 'q'],
      ['amq.topic', 'q'],
    ]);
    expect(notes).toEqual([
      expect.stringContaining('"internal"'),
      expect.stringContaining('"shop"'),
      expect.stringContaining('amq.*'),
    ]);
  });

  it('have pairs as objects and every number as it was', () => {
    const text =
      '{"global_parameters":[{"name":"a","value":[["k",1.0],["l",[["m",9007199254740993]]]]},{"name":"b","value":["k","l"]}],"parameters":[{"name":"1.0 \\"2.0\\"","value":{"x":1e3,"y":[["a"],["b"]]}}]}';
    const definitions = parseDefinitions(text);
    expect(exactJsonText(definitions.global_parameters)).toBe(
      '[{"name":"a","value":{"k":1.0,"l":{"m":9007199254740993}}},{"name":"b","value":["k","l"]}]',
    );
    expect(exactJsonText(definitions.parameters)).toBe(
      '[{"name":"1.0 \\"2.0\\"","value":{"x":1e3,"y":[["a"],["b"]]}}]',
    );
    expect(() => parseExactJson('{"a": 1.0')).toThrow('not JSON');
  });

  it('have of a chosen virtual host what is in it', () => {
    const { definitions } = wanted(archived, { vhosts: ['shop'], users: ['app'] });
    expect(
      Object.fromEntries(Object.entries(definitions).map(([kind, all]) => [kind, (all as unknown[]).length])),
    ).toEqual({
      users: 1,
      vhosts: 1,
      permissions: 1,
      topic_permissions: 0,
      parameters: 0,
      global_parameters: 0,
      policies: 1,
      exchanges: 1,
      queues: 2,
      bindings: 1,
    });
  });
});

describe('the steps of a restore of RabbitMQ', () => {
  it('bring the definitions, each any number of times, and back', async () => {
    const old = changed('users', [{ name: 'guest', password_hash: 'b3RoZXI=', tags: [], limits: {} }]);
    const broker = new FakeBroker({ ...nothing, users: old.users! });
    const fake = fakeRestore(broker);
    const [keep, importing, verify] = await plan(fake);
    for (let times = 0; times < 2; times += 1) expect(await apply(fake, keep!)).toBe('done');
    expect(broker.files.get(keptFile('run-1'))).toContain('b3RoZXI=');
    const keepKind = kindOf(keep!);
    expect(keepKind.old!.describe(keep!.params, await keepKind.prepare(fake.running, keep!.params))).toBe(
      'the definitions of RabbitMQ before the restore, in /var/lib/lsbackup/restores/run-1/rabbitmq-definitions.json',
    );
    expect(await kindOf(importing!).probe(fake.running, importing!.params, {})).toBe('not done');
    for (let times = 0; times < 2; times += 1) expect(await apply(fake, importing!)).toBe('done');
    expect(broker.done).toEqual(['import']);
    expect(await apply(fake, verify!)).toBe('done');
    expect(fake.warnings).toEqual([]);
    for (let times = 0; times < 2; times += 1) expect(await revert(fake, verify!)).toBe('not done');
    for (let times = 0; times < 2; times += 1) expect(await revert(fake, importing!)).toBe('not done');
    expect(broker.content).toEqual({ ...nothing, users: old.users });
    for (let times = 0; times < 2; times += 1) expect(await revert(fake, keep!)).toBe('not done');
    expect([...broker.files.keys()]).toEqual([]);
  });

  it('are looked at and undone without the archive, and undone where nothing was imported yet', async () => {
    const broker = new FakeBroker(nothing);
    const fake = fakeRestore(broker);
    const [keep, importing, verify] = await plan(fake);
    const kind = kindOf(importing!);
    const gone: StepContext = { ...fake.running, read: () => Promise.reject(new Error('the archive is gone')) };
    await apply(fake, keep!);
    await kind.revert!(gone, importing!.params, {});
    expect(await kind.probe(gone, importing!.params, {})).toBe('not done');
    await apply(fake, importing!);
    await apply(fake, verify!);
    expect([...broker.files.keys()]).toContain(`${keptDirectory('run-1')}/rabbitmq-wanted.json`);
    expect(await kind.probe(gone, importing!.params, {})).toBe('done');
    expect(await kindOf(verify!).probe(gone, verify!.params, {})).toBe('done');
    for (const step of [verify!, importing!]) {
      for (let times = 0; times < 2; times += 1) {
        await kindOf(step).revert!(gone, step.params, {});
        expect(await kindOf(step).probe(gone, step.params, {})).toBe('not done');
      }
    }
    expect(broker.content).toEqual(nothing);
    await kindOf(keep!).revert!(gone, keep!.params, {});
    expect([...broker.files.keys()]).toEqual([]);
  });

  it('see without the archive whether what was to go is gone', async () => {
    const broker = new FakeBroker(changed('queues', [...archived.queues!, { ...archived.queues![0]!, name: 'more' }]));
    const fake = fakeRestore(broker, archived, { exact: ['yes'] });
    const removing = (await plan(fake)).at(-1)!;
    const gone: StepContext = { ...fake.running, read: () => Promise.reject(new Error('the archive is gone')) };
    const undo = await kindOf(removing).prepare(gone, removing.params);
    expect(await kindOf(removing).probe(gone, removing.params, undo)).toBe('not done');
    await apply(fake, removing);
    expect(await kindOf(removing).probe(gone, removing.params, undo)).toBe('done');
  });

  it('do not take a removal that came half way for one that was not begun', async () => {
    const broker = new FakeBroker({
      ...archived,
      vhosts: [...(archived.vhosts ?? []), { name: 'gone' }, { name: 'stays' }],
      queues: [...(archived.queues ?? []), { ...archived.queues![0]!, vhost: 'gone', name: 'orders' }],
    });
    const fake = fakeRestore(broker, archived, { exact: ['yes'] });
    const steps = await plan(fake);
    const removing = steps.at(-1)!;
    for (const step of steps.slice(0, -1)) await apply(fake, step);
    const undo = await kindOf(removing).prepare(fake.running, removing.params);
    const state = (): Promise<string> => kindOf(removing).probe(fake.running, removing.params, undo);
    expect(await state()).toBe('not done');
    // The node removes one and refuses the other, as one does whose partner is down.
    broker.host.answer(/^sh -c .*eval/s, () => {
      const { vhosts = [], queues = [] } = broker.content;
      broker.content = {
        ...broker.content,
        vhosts: vhosts.filter(({ name }) => name !== 'gone'),
        queues: queues.filter(({ vhost }) => vhost !== 'gone'),
      };
      return { stdout: '{done,[{error,nodedown}]}\n' };
    });
    await expect(kindOf(removing).apply(fake.running, removing.params, undo)).rejects.toThrow('did not remove');
    expect(await state()).toBe('half');
  });

  it('see an import that came half way, and finish or undo it', async () => {
    const broker = new FakeBroker(nothing);
    const fake = fakeRestore(broker);
    const [keep, importing] = await plan(fake);
    await apply(fake, keep!);
    broker.importAnswer = { status: 255 };
    await expect(apply(fake, importing!)).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    broker.importAnswer = undefined;
    broker.content = { ...nothing, vhosts: archived.vhosts!, queues: archived.queues! };
    expect(await kindOf(importing!).probe(fake.running, importing!.params, {})).toBe('half');
    expect(await revert(fake, importing!)).toBe('not done');
    expect(broker.content).toEqual(nothing);
    broker.content = { ...nothing, users: archived.users! };
    expect(await apply(fake, importing!)).toBe('done');
  });

  it('wait until the node shows what it has imported', async () => {
    const broker = new FakeBroker(nothing);
    const fake = fakeRestore(broker);
    const [keep, importing] = await plan(fake);
    await apply(fake, keep!);
    broker.delay = 5;
    expect(await apply(fake, importing!)).toBe('done');
    expect(broker.delay).toBe(0);
  });

  it('do not begin without the definitions from before', async () => {
    const fake = fakeRestore(new FakeBroker(nothing));
    const [, importing] = await plan(fake);
    await expect(apply(fake, importing!)).rejects.toMatchObject({ code: 'RESTORE_REFUSED' });
    await expect(revert(fake, importing!)).rejects.toMatchObject({ code: 'RESTORE_REFUSED' });
  });

  it('hide the value that RabbitMQ did not like, and say when the input was cut', async () => {
    const broker = new FakeBroker(nothing);
    const fake = fakeRestore(broker);
    const [keep, importing] = await plan(fake);
    await apply(fake, keep!);
    broker.importAnswer = { status: 69, stderr: `Error:\n{:not_base64, "${password}"}` };
    await expect(apply(fake, importing!)).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: 'mq1: the definitions were not imported: Error: {:not_base64, "[secret]"}',
    });
    broker.importAnswer = { status: 99 };
    await expect(apply(fake, importing!)).rejects.toMatchObject({ message: expect.stringContaining('not all') });
  });

  it.each([
    ['policies', [], 'policy "ttl" in virtual host "shop" is missing'],
    ['users', [{ ...archived.users![0], password_hash: 'b3RoZXI=' }, archived.users![1]], 'user "guest" is different'],
    [
      'permissions',
      [{ ...archived.permissions![0], read: 'x' }, archived.permissions![1]],
      'permission "guest" in virtual host "/" is different',
    ],
    [
      'vhosts',
      [archived.vhosts![0], { name: 'shop', metadata: { description: 'd', tags: [] } }],
      'virtual host "shop" is different',
    ],
    ['bindings', [], 'binding "x" "queue" "q" "k" in virtual host "shop" is missing'],
  ])('name in the comparison what is wrong of the %s, not its value', async (kind, entries, what) => {
    const broker = new FakeBroker(archived);
    const fake = fakeRestore(broker);
    const steps = await plan(fake);
    broker.content = changed(kind, entries as object[]);
    await expect(apply(fake, steps[2]!)).rejects.toMatchObject({
      code: 'RESTORE_CHECK',
      message: `mq1: the definitions of RabbitMQ are not those of the archive: ${what}`,
    });
  });

  it('compare the checksum of the baseline where nothing else is there', async () => {
    const broker = new FakeBroker(archived);
    const fake = fakeRestore(broker);
    const baseline = definitionsBaseline(JSON.stringify(archived));
    const right = await plan(fake, unitBackup({ baseline }));
    expect(await apply(fake, right[2]!)).toBe('done');
    const wrong = await plan(fake, unitBackup({ baseline: { ...baseline, sha256: '0'.repeat(64) } }));
    await expect(apply(fake, wrong[2]!)).rejects.toMatchObject({ code: 'RESTORE_CHECK' });
  });

  it('keep and name what the archive does not have, or remove what the plan has named and no more', async () => {
    const more = { ...archived.queues![0]!, name: 'more' };
    const broker = new FakeBroker(changed('queues', [...archived.queues!, more]));
    const fake = fakeRestore(broker, archived);
    await apply(fake, (await plan(fake))[2]!);
    expect(fake.warnings).toEqual([
      {
        code: 'RMQ_EXTRA',
        message: expect.stringContaining('1 objects that the archive does not have, and keeps them: queue "more"'),
      },
    ]);
    const removing = (await plan(fakeRestore(broker, archived, { exact: ['yes'] }))).at(-1)!;
    broker.content = changed('queues', [...archived.queues!, more, { ...more, name: 'since' }]);
    for (let times = 0; times < 2; times += 1) expect(await apply(fake, removing)).toBe('done');
    expect(broker.done).toEqual(['remove queues shop more']);
    expect(broker.content.queues!.map(({ name }) => name)).toEqual(['q', 'reply', 'since']);
  });

  it('make empty queues with other properties anew where that was asked for', async () => {
    const other = { ...archived.queues![0]!, arguments: { 'x-max-length': 1 } };
    const broker = new FakeBroker(changed('queues', [other]));
    const fake = fakeRestore(broker, archived, { exact: ['yes'] });
    const [keep, importing] = await plan(fake);
    await apply(fake, keep!);
    expect(await apply(fake, importing!)).toBe('done');
    expect(broker.done).toEqual(['remove empty_queues shop q', 'import']);
    expect(await revert(fake, importing!)).toBe('not done');
    expect(broker.content.queues).toEqual([other]);
  });
});

describe('the program that removes objects', () => {
  it('has nothing in it that a shell would take for its own', () => {
    const program = removalProgram(`/var/lib/$(id) "\`'\\/x`, 5);
    expect(program).not.toMatch(/["$`\\'\n]/);
    expect(program).toContain('<<47,118,97,114');
  });
});
