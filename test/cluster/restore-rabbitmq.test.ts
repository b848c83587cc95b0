import { createReadStream } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { loadCluster, type Host, type Metadata } from '@lsbackup/core';
import { rabbitmq } from '../../packages/core/src/components/rabbitmq/index.js';
import { rabbitmqOptions, type RabbitmqOptions } from '../../packages/core/src/components/rabbitmq/options.js';
import type {
  Finding,
  RestoreContext,
  Step,
  StepContext,
  UnitBackup,
} from '../../packages/core/src/components/restore.js';
import type { Warning } from '../../packages/core/src/model/artifact.js';
import type { Json } from '../../packages/core/src/model/json.js';
import { silentLogger } from '../../packages/core/src/model/logger.js';
import { connectHost } from '../../packages/core/src/remote/connect-host.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { selectAlone } from '../../packages/core/src/restore/select-alone.test-support.js';
import { feedHost, leftovers, shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import {
  asRabbitmq,
  binary,
  entriesOf,
  erlangFunction,
  inRabbitmq,
  rabbitmqTables,
} from '../support/rabbitmq-state.js';
import { prepareStep, runSteps, undoSteps } from '../support/run-steps.js';

jest.setTimeout(300_000);

const buildDirectory = 'test/cluster/build';
const path = 'rabbitmq/mq1/definitions.json';
const kinds = rabbitmq.stepKinds!;
const user = { name: userInfo().username, homeDirectory: userInfo().homedir };
/** Names that a shell, an Erlang expression or a list of words would break on. */
const hostile = `"q" 'a' $(touch /tmp/owned) \`id\` \\ #{x} ü€😀 %41 <b>&`;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let remote: RemoteHost;
let host: Host;
let backup: UnitBackup;
let archived: string;
let before: readonly string[];
let runs = 0;

beforeAll(async () => {
  directory = await temporaryDirectory();
  const target = join(directory.path, 'target');
  await must('mkdir', target);
  await putBack();
  before = await rabbitmqTables('mq1');
  expect(await lsbackup('-b', buildDirectory, '-t', target, '--only', 'rabbitmq')).toMatchObject({ status: 0 });
  const [archive] = await readdir(target);
  await must('tar', '-xzf', join(target, archive ?? ''), '-C', directory.path, 'metadata.json', path);
  const metadata = JSON.parse(await readFile(join(directory.path, 'metadata.json'), 'utf8')) as Metadata;
  archived = await readFile(join(directory.path, path), 'utf8');
  const unit = metadata.components.find(({ name }) => name === 'rabbitmq')!.units[0]!;
  backup = { component: 'rabbitmq', unit, artifacts: metadata.artifacts, failed: [] };
  const cluster = await loadCluster({ source: buildDirectory, user });
  host = cluster.hosts.find(({ name }) => name === 'mq1')!;
  remote = await connectHost(host, { user });
});

beforeEach(async () => {
  if ((await rabbitmqTables('mq1')).join('\n') !== before.join('\n')) await putBack();
});

afterEach(async () => {
  await shellOnHost(
    'mq1',
    'rm -rf /var/lib/lsbackup/restores; if [ -d /var/lib/lsbackup ]; then rmdir --ignore-fail-on-non-empty /var/lib/lsbackup; fi',
  );
});

async function putBack(): Promise<void> {
  await must('node', 'test/cluster/cluster.mjs', 'seed', 'mq1');
  await importOnHost(additions);
}

afterAll(async () => {
  await must('node', 'test/cluster/cluster.mjs', 'seed', 'mq1');
  await remote[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
  expect(await leftovers('mq1')).toEqual([]);
});

const everywhere = { configure: '.*', write: '.*', read: '.*' };
const empty = { durable: true, auto_delete: false, arguments: {} };
const additions = {
  users: [
    {
      name: hostile,
      password_hash: 'YWJjZIwwyHJHEpWouasSn6zkQxIJszSD2IxsEZNgx3hSJMlx',
      hashing_algorithm: 'rabbit_password_hashing_sha512',
      tags: ['management'],
    },
  ],
  vhosts: [{ name: hostile, metadata: { description: hostile, tags: ['a b', 'c'] } }],
  permissions: [
    { user: hostile, vhost: hostile, ...everywhere },
    { user: hostile, vhost: '/', configure: '^$', write: '', read: 'x' },
  ],
  topic_permissions: [{ user: hostile, vhost: hostile, exchange: 'amq.topic', write: '^a', read: '.*' }],
  parameters: [
    {
      vhost: hostile,
      component: 'operator_policy',
      name: hostile,
      value: { pattern: '.*', 'apply-to': 'queues', priority: 0, definition: { 'message-ttl': 60_000 } },
    },
  ],
  global_parameters: [
    { name: hostile, value: { deep: { list: [1, [2, 'x']], text: hostile } } },
    { name: 'cluster_name', value: 'rabbit@mq1' },
  ],
  policies: [
    {
      vhost: hostile,
      name: hostile,
      pattern: hostile.replaceAll(/[^\w ]/g, '.'),
      'apply-to': 'all',
      priority: -3,
      definition: { 'dead-letter-routing-key': hostile },
    },
  ],
  exchanges: [
    { vhost: hostile, name: hostile, type: 'headers', ...empty },
    { vhost: '/', name: 'made', type: 'direct', durable: true, auto_delete: false, arguments: {} },
  ],
  queues: [
    {
      vhost: hostile,
      name: hostile,
      ...empty,
      arguments: { 'x-max-length': 9_000_000_000, 'x-dead-letter-exchange': hostile },
    },
  ],
  bindings: [
    {
      vhost: hostile,
      source: hostile,
      destination: hostile,
      destination_type: 'queue',
      routing_key: hostile,
      arguments: { 'x-match': 'any', number: 7, text: hostile, list: ['a', 1] },
    },
    {
      vhost: hostile,
      source: 'amq.direct',
      destination: hostile,
      destination_type: 'exchange',
      routing_key: 'k',
      arguments: {},
    },
  ],
};

/** Straight into the node, by its own command. */
async function importOnHost(definitions: unknown): Promise<void> {
  const file = join(directory.path, 'import.json');
  await writeFile(file, JSON.stringify(definitions));
  await feedHost(
    'mq1',
    file,
    'bash',
    '-c',
    'install -o rabbitmq -m 600 /dev/stdin /var/lib/rabbitmq/test.json && rabbitmqctl --quiet import_definitions /var/lib/rabbitmq/test.json; status=$?; rm /var/lib/rabbitmq/test.json; exit $status',
  );
}

interface Planned {
  readonly steps: readonly Step[];
  readonly warnings: Warning[];
  readonly findings: Finding[];
  readonly context: StepContext;
}

/** The component's own plan, with what the engine would give it. */
async function plan(selected: Readonly<Record<string, readonly string[]>> = {}, content?: string): Promise<Planned> {
  runs += 1;
  const runId = `20260101T000000Z-0000000${runs}`;
  const warnings: Warning[] = [];
  const findings: Finding[] = [];
  const read = (wanted: string): Promise<Readable> =>
    Promise.resolve(
      content === undefined ? createReadStream(join(directory.path, wanted)) : Readable.from([Buffer.from(content)]),
    );
  const warn = (warning: Warning): void => void warnings.push(warning);
  const common = { runId, read, warn, signal: new AbortController().signal, log: silentLogger };
  const restoreContext: RestoreContext<RabbitmqOptions> = {
    ...common,
    target: () => host,
    optionsFor: () => rabbitmqOptions.parse({}),
    remote: () => Promise.resolve(remote),
    selected: selectAlone('rabbitmq', 'mq1', selected),
    surveyTar: () => Promise.reject(new Error('no tar is read')),
    moved: [],
    report: (finding) => void findings.push(finding),
  };
  const unit = content === undefined ? backup.unit : { ...backup.unit, baseline: null };
  const steps = await rabbitmq.restore!(restoreContext, { ...backup, unit });
  return { steps, warnings, findings, context: { ...common, remote: () => Promise.resolve(remote) } };
}

/** Runs a plan. What failed, and so was undone, is thrown; `failAfter`: id of a step that fails when it is done. Resolves with undo data. */
async function run({ steps, context }: Planned, failAfter?: string): Promise<ReadonlyMap<string, Json>> {
  const after = ({ id }: Step): void => {
    if (id === failAfter) throw new Error(`injected after ${id}`);
  };
  const { done, failed } = await runSteps(steps, kinds, context, { after });
  for (const error of failed.values()) throw error;
  return done;
}

/** Deletes, changes and adds something of every kind, by the functions that rabbitmqctl calls. */
async function destroy(): Promise<void> {
  await inRabbitmq(
    'mq1',
    `Me = <<"me">>, Hostile = ${binary(hostile)}, Orders = <<"orders">>, Service = <<"orders-service">>, Guest = <<"guest">>,
    ok = rabbit_vhost:delete(Hostile, Me),
    ok = rabbit_auth_backend_internal:delete_user(Hostile, Me),
    ok = rabbit_runtime_parameters:clear_global(binary_to_atom(Hostile, utf8), Me),
    ok = rabbit_auth_backend_internal:change_password(Guest, <<"other">>, Me),
    ok = rabbit_auth_backend_internal:set_tags(Guest, [management], Me),
    ok = rabbit_auth_backend_internal:set_user_limits(Guest, #{<<"max-channels">> => 3}, Me),
    ok = rabbit_auth_backend_internal:set_user_limits(Service, #{<<"max-connections">> => 1, <<"max-channels">> => 2}, Me),
    ok = rabbit_auth_backend_internal:set_permissions(Service, Orders, <<"a">>, <<"b">>, <<"c">>, Me),
    ok = rabbit_auth_backend_internal:clear_permissions(Guest, <<"/">>, Me),
    ok = rabbit_auth_backend_internal:clear_topic_permissions(Service, Orders, Me),
    ok = rabbit_vhost_limit:clear(Orders, Me),
    _ = rabbit_vhost:update_tags(Orders, [x, y], Me),
    ok = rabbit_policy:parse_set(Orders, <<"expiry">>, <<".*">>, <<"{\\"max-length\\": 1}">>, <<"99">>, <<"all">>, Me),
    ok = rabbit_policy:delete_op(Orders, ${binary('at most / ünï')}, Me),
    ok = rabbit_runtime_parameters:set_global(deployment, <<"gone">>, Me),
    [{ok, _} = rabbit_amqqueue:with(rabbit_misc:r(Orders, queue, Name), fun(Queue) -> rabbit_amqqueue:delete(Queue, false, false, Me) end)
      || Name <- [<<"orders.region-07">>, <<"orders.quorum">>]],
    ok = rabbit_exchange:delete(rabbit_misc:r(Orders, exchange, <<"orders.topic">>), false, Me),
    <<>>`,
  );
}

/** Nothing of it is in the archive. */
const extra = {
  users: [
    {
      name: 'extra',
      password_hash: 'YWJjZIwwyHJHEpWouasSn6zkQxIJszSD2IxsEZNgx3hSJMlx',
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: [],
    },
  ],
  vhosts: [{ name: 'extra $(touch /tmp/owned)' }],
  permissions: [
    { user: 'extra', vhost: 'orders', ...everywhere },
    { user: 'guest', vhost: 'extra $(touch /tmp/owned)', ...everywhere },
  ],
  topic_permissions: [{ user: 'extra', vhost: 'orders', exchange: 'amq.topic', write: '', read: '' }],
  parameters: [
    {
      vhost: 'orders',
      component: 'operator_policy',
      name: 'extra',
      value: { pattern: 'x', 'apply-to': 'queues', priority: 0, definition: { 'max-length': 1 } },
    },
  ],
  global_parameters: [{ name: 'extra', value: 'x' }],
  policies: [
    { vhost: '/', name: 'extra', pattern: 'x', 'apply-to': 'all', priority: 0, definition: { 'max-length': 1 } },
  ],
  exchanges: [{ vhost: 'orders', name: 'extra', type: 'fanout', durable: true, auto_delete: false, arguments: {} }],
  queues: [
    { vhost: 'orders', name: 'extra', ...empty },
    { vhost: 'extra $(touch /tmp/owned)', name: 'q', ...empty },
  ],
  bindings: [
    {
      vhost: 'orders',
      source: 'amq.headers',
      destination: 'unrouted',
      destination_type: 'queue',
      routing_key: 'k',
      arguments: { 'x-match': 'all', n: 1 },
    },
    {
      vhost: 'orders',
      source: 'orders.unrouted',
      destination: 'extra',
      destination_type: 'queue',
      routing_key: '',
      arguments: {},
    },
  ],
};

async function hidden(): Promise<string> {
  return shellOnHost(
    'mq1',
    'ls -A /var/lib/rabbitmq /tmp; if [ -e /var/lib/lsbackup ]; then echo /var/lib/lsbackup; fi',
  );
}

describe('a restore of RabbitMQ', () => {
  it('brings everything back as it was, and leaves nothing but what it kept', async () => {
    await destroy();
    expect(await rabbitmqTables('mq1')).not.toEqual(before);
    const planned = await plan();
    const { steps, context, warnings, findings } = planned;
    expect(steps.map(({ id }) => id)).toEqual(
      ['keep-definitions', 'import-definitions', 'verify'].map((verb) => `rabbitmq@mq1/${verb}`),
    );
    expect([warnings, findings]).toEqual([[], []]);
    expect(JSON.stringify(steps)).not.toContain('YWJjZIwwyHJH');
    await run(planned);
    expect(await rabbitmqTables('mq1')).toEqual(before);
    expect(warnings).toEqual([]);
    const kept = `/var/lib/lsbackup/restores/${context.runId}`;
    expect(
      await shellOnHost('mq1', `stat -c '%a %U %n' ${kept} ${kept}/rabbitmq-definitions.json /var/lib/lsbackup`),
    ).toBe(`700 root ${kept}\n600 root ${kept}/rabbitmq-definitions.json\n700 root /var/lib/lsbackup\n`);
    const keep = kinds.find(({ name }) => name === 'rabbitmq.keep-definitions')!;
    expect(keep.old!.describe(steps[0]!.params, { file: 'F' })).toContain('F');
    for (let times = 0; times < 2; times += 1) await keep.old!.drop(context, steps[0]!.params, {});
    expect(await hidden()).not.toMatch(/lsbackup|owned/);
  });

  it('removes it with exact=yes, as a step of its own without a way back', async () => {
    await destroy();
    await importOnHost(extra);
    const planned = await plan({ exact: ['yes'] });
    const { steps, warnings } = planned;
    expect(steps.at(-1)).toMatchObject({
      kind: 'rabbitmq.remove-extra',
      isDestructive: true,
      title: expect.stringContaining('WITH THE MESSAGES'),
    });
    await run(planned);
    expect(await rabbitmqTables('mq1')).toEqual(before);
    expect(warnings).toEqual([]);
  });

  it('has the old definitions again when something fails in the end', async () => {
    await destroy();
    await importOnHost(extra);
    const old = await rabbitmqTables('mq1');
    const planned = await plan();
    await expect(run(planned, 'rabbitmq@mq1/verify')).rejects.toThrow('injected');
    // What the archive does not have was kept, and named.
    expect(planned.warnings).toEqual([
      { code: 'RMQ_EXTRA', message: expect.stringMatching(/has 13 objects .*queue "extra" in virtual host "orders"/) },
    ]);
    expect(await rabbitmqTables('mq1')).toEqual(old);
    expect(await hidden()).not.toMatch(/lsbackup|owned/);
  });

  it('restores one virtual host and nothing else, and its users only where they are missing', async () => {
    await destroy();
    const old = await rabbitmqTables('mq1');
    await run(await plan({ vhost: [hostile] }));
    const now = await rabbitmqTables('mq1');
    expect(entriesOf(before, hostile).length).toBeGreaterThan(10);
    expect(entriesOf(now, hostile)).toEqual(entriesOf(before, hostile));
    const added = now.filter((entry) => !old.includes(entry) && !entriesOf(now, hostile).includes(entry));
    const madeUser = before.filter((entry) => entry.startsWith('users ') && entry.includes(binary(hostile)));
    expect(madeUser).toHaveLength(1);
    // Its permission elsewhere is in another virtual host, and does not come.
    expect(added).toEqual(madeUser);
    expect(old.filter((entry) => !now.includes(entry))).toEqual([]);
    await expect(plan({ vhost: ['none'] })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('refuses a queue with other arguments; exact=yes makes it anew when it is empty', async () => {
    const name = 'orders.region-03';
    const queue = `rabbit_misc:r(<<"orders">>, queue, <<"${name}">>)`;
    await inRabbitmq(
      'mq1',
      `{ok, _} = rabbit_amqqueue:with(${queue}, fun(Queue) -> rabbit_amqqueue:delete(Queue, false, false, <<"me">>) end), <<>>`,
    );
    await importOnHost({ queues: [{ vhost: 'orders', name, ...empty, arguments: { 'x-max-length': 5 } }] });
    await expect(plan()).rejects.toMatchObject({ code: 'RESTORE_REFUSED', message: expect.stringContaining(name) });
    const messages = async (): Promise<string> =>
      inRabbitmq(
        'mq1',
        `{ok, Queue} = rabbit_amqqueue:lookup(${queue}), [{messages, Count}] = rabbit_amqqueue:info(Queue, [messages]), integer_to_binary(Count)`,
      );
    await inRabbitmq(
      'mq1',
      `rabbit_basic:publish(rabbit_misc:r(<<"orders">>, exchange, <<>>), <<"${name}">>, [], <<"m">>), <<>>`,
    );
    while ((await messages()) !== '1') await sleep(100);
    const old = await rabbitmqTables('mq1');
    const full = await plan({ exact: ['yes'] });
    await expect(run(full)).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message: expect.stringContaining(name),
    });
    expect(await rabbitmqTables('mq1')).toEqual(old);
    expect(await messages()).toBe('1');
    await inRabbitmq(
      'mq1',
      `{ok, _} = rabbit_amqqueue:with(${queue}, fun(Queue) -> rabbit_amqqueue:purge(Queue) end), <<>>`,
    );
    const exact = await plan({ exact: ['yes'] });
    const done = await run(exact);
    expect(await rabbitmqTables('mq1')).toEqual(before);
    await undoSteps(exact.steps, kinds, exact.context, done);
    expect(await rabbitmqTables('mq1')).toEqual(old);
  });

  it('says which object is wrong, and no secret, when RabbitMQ refuses the definitions', async () => {
    const definitions = JSON.parse(archived) as { users: { password_hash: string }[] };
    definitions.users[0]!.password_hash = 'no base64!';
    const planned = await plan({}, JSON.stringify(definitions));
    const failure: unknown = await run(planned).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'RESTORE_FAILED', message: expect.stringContaining('base64') });
    expect((failure as Error).message).not.toContain('no base64!');
    expect(await rabbitmqTables('mq1')).toEqual(before);
    expect(await hidden()).not.toMatch(/lsbackup/);
  });
});

describe('an import that was killed in the middle', () => {
  const queues = 1000;
  const many = Array.from({ length: queues }, (_, index) => ({
    vhost: 'many',
    name: `q ${index} ${hostile}`,
    ...empty,
  }));
  const large = (): string => {
    const definitions = JSON.parse(archived) as Record<string, unknown[]>;
    return JSON.stringify({
      ...definitions,
      vhosts: [...definitions.vhosts!, { name: 'many' }],
      queues: [...definitions.queues!, ...many],
    });
  };
  const length = 'integer_to_binary(length(rabbit_amqqueue:list(<<"many">>)))';
  const count = async (): Promise<number> => Number(await inRabbitmq('mq1', length));

  /** Ends the import's own process with -9 while the node makes queues, and says how many there are then; it goes on in the node. */
  async function killImport(): Promise<number> {
    const script = `${erlangFunction}
      for attempt in $(seq 3000); do
        if pid=$(pgrep -o -f '^[^ ]*(erl|beam)[^ ]* .* import_definitions /var/lib/rabbitmq/.lsbackup') && [ "$(erlang "$1")" -gt 0 ]; then
          kill -9 "$pid"
          erlang "$1"
          exit
        fi
        sleep 0.01
      done
      echo 'the import was not seen' >&2
      exit 1`;
    return Number(await asRabbitmq('mq1', script, length));
  }

  it.each(['apply', 'revert'] as const)('is brought to its end by %s', async (way) => {
    await destroy();
    const old = await rabbitmqTables('mq1');
    const { steps, context } = await plan({}, large());
    const [keep, importing] = steps;
    const kept = await prepareStep(keep!, kinds, context);
    expect(await kept.probe()).toBe('not done');
    await kept.apply();
    const step = await prepareStep(importing!, kinds, context);
    expect(await step.probe()).toBe('not done');
    const applying = step.apply().then(
      () => 'done',
      () => 'failed',
    );
    const made = await killImport();
    expect(made).toBeLessThan(queues);
    expect(await applying).toBe('failed');
    // The node goes on with it.
    expect(await count()).toBeGreaterThan(made);
    if (way === 'apply') {
      await step.apply();
      expect([await step.probe(), await count()]).toEqual(['done', queues]);
      return;
    }
    for (let times = 0; times < 2; times += 1) {
      await step.revert();
      expect(await step.probe()).toBe('not done');
      expect(await rabbitmqTables('mq1')).toEqual(old);
    }
    for (let times = 0; times < 2; times += 1) {
      await kept.revert();
      expect(await kept.probe()).toBe('not done');
    }
    expect(await hidden()).not.toMatch(/lsbackup|owned/);
  });
});
