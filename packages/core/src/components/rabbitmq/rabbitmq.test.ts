import { describe, expect, it } from '@jest/globals';
import { fakeBackupContext, fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { definitionsBaseline } from './definitions.js';
import { certificatePaths, configurationPaths, discover as discoverWithin } from './discover.js';
import { rabbitmq } from './index.js';
import { exportCommand } from './node.js';
import { rabbitmqOptions } from './options.js';

const options = rabbitmqOptions.parse({});
const definitions = {
  rabbit_version: '3.10.8',
  users: [{ name: 'guest', password_hash: 'x', tags: ['administrator'] }],
  vhosts: [{ name: '/' }, { name: 'odd/vhost ünï' }],
  permissions: [],
  parameters: [],
  global_parameters: [{ name: 'cluster_name', value: 'rabbit@mq1' }],
  policies: [{ name: 'ttl', vhost: '/' }],
  queues: [
    { name: 'orders', vhost: '/', durable: true, auto_delete: false },
    { name: 'reply', vhost: '/', durable: true, auto_delete: true },
    { name: 'q', vhost: 'odd/vhost ünï', durable: true, auto_delete: false },
  ],
  exchanges: [
    { name: 'x', vhost: '/' },
    { name: 'reply', vhost: '/' },
  ],
  bindings: [
    { source: 'x', vhost: '/', destination: 'orders', destination_type: 'queue' },
    { source: 'x', vhost: '/', destination: 'reply', destination_type: 'queue' },
    { source: 'x', vhost: '/', destination: 'reply', destination_type: 'exchange' },
  ],
};

/** As `rabbitmqctl cluster_status` and `status` of 3.10.8 print them, shortened. */
function nodeHost(
  name: string,
  nodes: readonly string[],
  more: {
    running?: readonly string[];
    version?: string;
    rules?: readonly FakeRule[];
    clusterName?: string;
    nodeName?: string;
  } = {},
): FakeHost {
  const cluster = {
    alarms: [],
    cluster_name: more.clusterName ?? nodes[0],
    disk_nodes: nodes,
    ram_nodes: [],
    running_nodes: more.running ?? nodes,
    partitions: {},
    versions: Object.fromEntries(
      nodes.map((node) => [node, { erlang_version: '25.2.3', rabbitmq_name: 'RabbitMQ', rabbitmq_version: '3.10.8' }]),
    ),
  };
  const status = {
    active_plugins: ['rabbitmq_shovel'],
    config_files: ['/etc/rabbitmq/rabbitmq.conf'],
    data_directory: `/var/lib/rabbitmq/mnesia/${more.nodeName ?? `rabbit@${name}`}`,
    enabled_plugin_file: '/etc/rabbitmq/enabled_plugins',
    erlang_version: 'Erlang/OTP 25 [erts-13.1.5]',
    rabbitmq_version: more.version ?? '3.10.8',
  };
  return new FakeHost({
    name,
    rules: [
      ...(more.rules ?? []),
      {
        argv: ['rabbitmqctl', 'cluster_status', '--formatter', 'json', '--silent'],
        answer: { stdout: `${JSON.stringify(cluster)}\n` },
      },
      {
        argv: ['rabbitmqctl', 'status', '--formatter', 'json', '--silent'],
        answer: { stdout: `${JSON.stringify(status)}\n` },
      },
      { argv: exportCommand(options).argv, answer: { stdout: JSON.stringify(definitions) } },
      { argv: /^cat -- /, answer: { stdout: 'ssl_options.certfile = /etc/ssl/mq.pem\n' } },
      {
        argv: /^sh -c hidden/,
        answer: (command) => ({
          stdout: command.argv
            .slice(4)
            .map((path) => (path === '/etc/rabbitmq' ? `directory\t8\t${path}\t${path}\n` : 'missing\n'))
            .join(''),
        }),
      },
      { argv: /^sh -c help/, answer: {} },
      { argv: /^sh -c find/, answer: { stdout: '\0' } },
      { argv: /^tar /, answer: () => runHere({ argv: ['tar', '-cf', '-', '-C', '/etc', 'hostname'] }, '') },
    ],
  });
}

const discover = (hosts: FakeHost[], chosen = options) =>
  rabbitmq.discover(fakeDiscoverContext({ hosts, options: chosen }));

describe('rabbitmq discover', () => {
  it('makes one unit of a cluster and asks one node for the definitions', async () => {
    const nodes = ['rabbit@mq1', 'rabbit@mq2'];
    const unit = onlyUnit(
      await discover([
        nodeHost('mq1', nodes, { clusterName: 'c' }),
        nodeHost('mq2', [...nodes].reverse(), { clusterName: 'c' }),
      ]),
    );
    expect(unit).toMatchObject({
      name: 'mq1+mq2',
      hosts: ['mq1', 'mq2'],
      product: { version: '3.10.8' },
      identity: { clusterName: 'c', nodes, erlang: '25.2.3' },
      roles: { nodes: { mq1: 'rabbit@mq1', mq2: 'rabbit@mq2' } },
    });
    expect(unit.artifacts.map(({ path }) => path)).toEqual([
      'rabbitmq/mq1/definitions.json',
      'rabbitmq/mq1/config.tar',
      'rabbitmq/mq2/config.tar',
    ]);
    expect(unit.artifacts[0]?.commands).toEqual(['sudo -n rabbitmqctl export_definitions - --format json --silent']);
    // Neither host has the file that its node says it read, nor the certificate.
    expect(unit.warnings).toMatchObject([
      {
        code: 'FILE_MISSING',
        message:
          'mq1: named by the configuration of RabbitMQ and not there: /etc/rabbitmq/rabbitmq.conf, /etc/ssl/mq.pem',
      },
      { code: 'FILE_MISSING', message: expect.stringContaining('mq2: ') },
      { code: 'MESSAGES_NOT_SAVED' },
    ]);
    expect(JSON.parse(JSON.stringify(unit))).toEqual(unit);
  });

  it('makes a unit of each broker that knows only itself', async () => {
    const { units } = await discover([nodeHost('mq1', ['rabbit@mq1']), nodeHost('mq2', ['rabbit@mq2'])]);
    expect(units.map(({ name }) => name)).toEqual(['mq1', 'mq2']);
  });

  it('takes brokers of the same name, whose nodes have the same name too, for brokers of their own', async () => {
    const twin = (name: string): FakeHost =>
      nodeHost(name, ['rabbit@localhost'], { clusterName: 'prod', nodeName: 'rabbit@localhost' });
    const { units } = await discover([twin('mq1'), twin('mq2')]);
    expect(units.map(({ name, artifacts }) => [name, artifacts[0]?.path])).toEqual([
      ['mq1', 'rabbitmq/mq1/definitions.json'],
      ['mq2', 'rabbitmq/mq2/definitions.json'],
    ]);
  });

  it('makes a problem of a host that hangs and keeps the answers of the others', async () => {
    const hanging = nodeHost('mq1', ['rabbit@mq1']);
    hanging.run = (_command, streamOptions) =>
      new Promise((_resolve, reject) => {
        const signal = streamOptions?.signal;
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    const hosts = [hanging, nodeHost('mq2', ['rabbit@mq2'])];
    const { units, problems } = await discoverWithin(fakeDiscoverContext({ hosts, options }), 0.2);
    expect(units.map(({ name }) => name)).toEqual(['mq2']);
    expect(problems).toMatchObject([{ unit: 'mq1', error: { code: 'COMMAND_TIMEOUT', host: 'mq1' } }]);
  });

  it('warns of members that do not run or were not found', async () => {
    const unit = onlyUnit(await discover([nodeHost('mq1', ['rabbit@mq1', 'rabbit@mq2'], { running: ['rabbit@mq1'] })]));
    expect(unit.warnings.filter(({ code }) => code === 'RMQ_NODE')).toMatchObject([
      { code: 'RMQ_NODE', message: expect.stringContaining('not found in the group rabbitmq') },
      { code: 'RMQ_NODE', message: expect.stringContaining('do not run: rabbit@mq2') },
    ]);
  });

  it.each([
    [
      { status: 69, stderr: "Error: unable to perform an operation on node 'rabbit@mq1'. Please see diagnostics" },
      'SERVICE_DOWN',
      'unable to perform',
    ],
    [
      { status: 64, stdout: "\nError: this command requires the 'rabbit' app to be running on the target node." },
      'SERVICE_DOWN',
      "requires the 'rabbit' app",
    ],
    [{ status: 127 }, 'SERVICE_MISSING', 'rabbitmqctl'],
    [{ status: 1, stderr: 'sudo: rabbitmqctl: command not found' }, 'SERVICE_MISSING', 'rabbitmqctl'],
    [{ stdout: 'Warning: something\n{}' }, 'SERVICE_ANSWER', 'cluster_status'],
  ])('tells what is wrong: %j', async (answer, code, message) => {
    const { problems } = await discover([
      nodeHost('mq1', ['rabbit@mq1'], { rules: [{ argv: /cluster_status/, answer }] }),
    ]);
    expect(problems).toMatchObject([
      { unit: 'mq1', error: { code, message: expect.stringContaining(message), component: 'rabbitmq' } },
    ]);
  });

  it('refuses versions that cannot export, and configured paths that are missing', async () => {
    expect((await discover([nodeHost('mq1', ['rabbit@mq1'], { version: '3.8.1' })])).problems[0]?.error).toMatchObject({
      code: 'SERVICE_ANSWER',
      message: expect.stringContaining('3.8.1'),
    });
    expect((await discover([nodeHost('mq1', ['rabbit@mq1'], { version: '4.1.0-rc.1' })])).problems).toEqual([]);
    expect(
      (await discover([nodeHost('mq1', ['rabbit@mq1'])], rabbitmqOptions.parse({ paths: '/none' }))).problems[0]?.error,
    ).toMatchObject({ code: 'SERVICE_MISSING' });
  });
});

describe('rabbitmq backup', () => {
  it('saves definitions and configuration, with counts of what stays', async () => {
    const remote = nodeHost('mq1', ['rabbit@mq1']);
    const unit = onlyUnit(await discover([remote]));
    const run = fakeBackupContext({ hosts: [remote], options });
    await rabbitmq.backup(run.context, unit);
    expect([...run.saved.keys()].sort()).toEqual(unit.artifacts.map(({ path }) => path).sort());
    expect(JSON.parse(run.saved.get('rabbitmq/mq1/definitions.json')?.toString() ?? '')).toEqual(definitions);
    expect(run.baseline()).toMatchObject({
      users: 1,
      vhosts: 2,
      queues: 2,
      exchanges: 2,
      bindings: 2,
      policies: 1,
      queuesByVhost: { '/': 1, 'odd/vhost ünï': 1 },
    });
  });

  it.each([
    ['config.tar', ['rabbitmq/mq1/definitions.json', 'rabbitmq/mq2/config.tar'], /^tar /],
    ['definitions.json', ['rabbitmq/mq1/config.tar', 'rabbitmq/mq2/config.tar'], /export_definitions/],
  ])('saves everything else when %s of one host fails, and fails', async (name, saved, argv) => {
    const nodes = ['rabbit@mq1', 'rabbit@mq2'];
    const hosts = nodes.map((node) => nodeHost(node.slice('rabbit@'.length), nodes));
    const unit = onlyUnit(await discover(hosts));
    hosts[0]?.answer(argv, { status: 2, stderr: 'it failed' });
    const run = fakeBackupContext({ hosts, options });
    await expect(rabbitmq.backup(run.context, unit)).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
    expect([...run.saved.keys()].sort()).toEqual(saved);
    expect([...run.failed.keys()]).toEqual([`rabbitmq/mq1/${name}`]);
    expect(run.context.signal.aborted).toBe(false);
  });

  it.each([
    ['are not clean JSON', { stdout: `Exporting definitions ...\n${JSON.stringify(definitions)}` }, 'FORMAT_INVALID'],
    ['are cut', { stdout: JSON.stringify(definitions).slice(0, -1) }, 'FORMAT_INVALID'],
    [
      'end with an error',
      { stdout: JSON.stringify(definitions), status: 70, stderr: 'Error: timeout' },
      'COMMAND_FAILED',
    ],
  ])('fails when the definitions %s', async (_title, answer, code) => {
    const remote = nodeHost('mq1', ['rabbit@mq1']);
    const unit = onlyUnit(await discover([remote]));
    remote.answer(exportCommand(options).argv, answer);
    await expect(rabbitmq.backup(fakeBackupContext({ hosts: [remote], options }).context, unit)).rejects.toMatchObject({
      code,
    });
  });
});

describe('definitionsBaseline', () => {
  it('does not depend on order, version, or queues that come and go', () => {
    const other = {
      ...definitions,
      rabbit_version: '4.0',
      vhosts: [...definitions.vhosts].reverse(),
      users: [{ tags: ['administrator'], password_hash: 'x', name: 'guest' }],
      queues: definitions.queues.filter(({ name }) => name !== 'reply'),
      bindings: definitions.bindings
        .filter(({ destination, destination_type: type }) => destination !== 'reply' || type !== 'queue')
        .reverse(),
    };
    expect(definitionsBaseline(JSON.stringify(other))).toEqual(definitionsBaseline(JSON.stringify(definitions)));
  });

  it('sees every change', () => {
    const changed = { ...definitions, policies: [{ name: 'ttl', vhost: '/', priority: 1 }] };
    expect(definitionsBaseline(JSON.stringify(changed)).sha256).not.toBe(
      definitionsBaseline(JSON.stringify(definitions)).sha256,
    );
  });
});

describe('rabbitmq files', () => {
  it('takes the cookie beside the data, and files of TLS', () => {
    expect(
      configurationPaths({
        config_files: ['(none)'],
        enabled_plugin_file: '/etc/rabbitmq/enabled_plugins',
        data_directory: '/data/mq/mnesia/rabbit@x',
      }),
    ).toEqual([
      '/etc/rabbitmq',
      '/etc/default/rabbitmq-server',
      '/var/lib/rabbitmq/.erlang.cookie',
      '/data/mq/.erlang.cookie',
      '/etc/rabbitmq/enabled_plugins',
    ]);
    expect(
      certificatePaths(
        `# ssl_options.keyfile = /no\nssl_options.cacertfile = /a/ca.pem\nmanagement.ssl.keyfile="/a/k.pem"\n{ssl_options, [{certfile,"/b/c.pem"},{keyfile, '/b/k.pem'}]}`,
      ),
    ).toEqual(['/a/ca.pem', '/a/k.pem', '/b/c.pem', '/b/k.pem']);
  });
});
