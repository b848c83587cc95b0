import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, runHere } from '../../testing/fake-host.js';
import type { Step, TarContents } from '../restore.js';
import { archived, FakeBroker, fakeRestore, unitBackup } from './broker.test-support.js';
import { countDifferences, countProgram, readCounts } from './counts.js';
import { lookAtData } from './data.js';
import { verifyMessages } from './data-steps.js';
import { rabbitmq } from './index.js';
import { rabbitmqOptions } from './options.js';

const data = '/var/lib/rabbitmq/mnesia/rabbit@mq1';
const queue = { vhost: '/', name: 'q', messages: 5, mayExpire: false };

describe('counts of messages', () => {
  it('are read also where Erlang breaks the text, and names may be anything', () => {
    const printed = '"counted true 0 2f:71:5:false"\n " c3bc20:22"\n ":7:true"';
    expect(readCounts('mq1', printed)).toEqual({
      queues: [queue, { vhost: 'ü ', name: '"', messages: 7, mayExpire: true }],
      isSettled: true,
      connections: 0,
    });
    expect(readCounts('mq1', '"counted false 12"')).toEqual({ queues: [], isSettled: false, connections: 12 });
    for (const wrong of ['', '{error,undef}', '"counted true 0 2f:71:-1:false"', '"counted true 0 2f:71:5:fal"'])
      expect(() => readCounts('mq1', wrong)).toThrow(expect.objectContaining({ code: 'SERVICE_ANSWER' }));
  });

  it('differ by queues that are missing, new, or hold others', () => {
    const { label, mayBeExpired } = countDifferences([queue], [{ ...queue, messages: 4 }])[0]!;
    expect([label, mayBeExpired]).toEqual(['queue "q" in virtual host "/": 4 instead of 5', false]);
    const expiring = { ...queue, mayExpire: true };
    expect(countDifferences([expiring], [])[0]!.mayBeExpired).toBe(true);
    expect(countDifferences([expiring], [{ ...expiring, messages: 6 }])[0]!.mayBeExpired).toBe(false);
    expect(countDifferences([], [queue])).toHaveLength(1);
    expect(countDifferences([queue, expiring], [queue])).toEqual([]);
  });

  it('are taken with clients kept out only where that is wanted', () => {
    expect(countProgram({ alone: true, seconds: 5 })).toContain('suspend_all_client_listeners');
    expect(countProgram({ alone: false, seconds: 5 })).not.toContain('rabbit_maintenance');
  });
});

describe('a restore of messages', () => {
  const contents: TarContents = { roots: [data.slice(1), `${data.slice(1)}-feature_flags`], entries: 9, bytes: 1000 };
  interface Given {
    readonly broker?: FakeBroker;
    readonly selected?: Readonly<Record<string, readonly string[]>>;
    readonly unit?: ReturnType<typeof unitBackup>['unit'];
    readonly roots?: readonly string[];
    readonly isSaved?: boolean;
    readonly place?: string;
    readonly warnings?: { readonly code: string }[];
  }
  const unit = unitBackup({ roles: { dataDirectory: data }, baseline: { messages: [queue] } }).unit;

  async function plan(given: Given = {}): Promise<readonly Step[]> {
    const { broker = new FakeBroker(archived), selected = { messages: ['yes'] }, roots = contents.roots } = given;
    broker.host.answer(/^systemctl show/, {
      stdout: 'Id=rabbitmq-server.service\nLoadState=loaded\nActiveState=active\nMainPID=0\n',
    });
    const { place = `inside\n${data}\n` } = given;
    broker.host.answer(/^sh -c path=.*readlink/s, { stdout: `rabbitmq\n${place}` });
    const fake = fakeRestore(broker, archived, selected);
    const backup = unitBackup();
    const artifact = { ...backup.artifacts[0]!, path: 'rabbitmq/mq1/messages.tar', format: 'tar' };
    const steps = await rabbitmq.restore!(
      { ...fake.planning, surveyTar: () => Promise.resolve({ ...contents, roots }) },
      { ...backup, unit: given.unit ?? unit, artifacts: given.isSaved === false ? backup.artifacts : [artifact] },
    );
    given.warnings?.push(...fake.warnings);
    return steps;
  }

  it('unpacks beside, replaces all data with the node stopped, and counts', async () => {
    const warnings: { code: string }[] = [];
    const steps = await plan({ warnings });
    expect(steps.map(({ id }) => id.replace('rabbitmq@mq1/', ''))).toEqual([
      'stage',
      'replace-data',
      'verify-messages',
    ]);
    expect(steps[1]).toMatchObject({
      isDestructive: true,
      beginsDowntime: 'RabbitMQ on mq1',
      endsDowntime: true,
      title: expect.stringContaining('REPLACE ALL ITS DATA'),
      params: { directory: '/var/lib/rabbitmq/mnesia/.lsbackup-run-1', data, archived: data.slice(1) },
    });
    expect(steps[2]).toMatchObject({ params: { counts: [queue], isStrict: true } });
    for (const step of steps.slice(1))
      expect(() => rabbitmq.stepKinds!.find(({ name }) => name === step.kind)!.params.parse(step.params)).not.toThrow();
    expect(warnings.map(({ code }) => code)).toEqual(['RMQ_REPLACED']);
    const [, , uncounted] = await plan({ selected: { messages: ['uncounted'] } });
    expect(uncounted).toMatchObject({ params: { isStrict: false } });
    const definitions = await plan({ selected: { messages: ['no'] }, isSaved: false });
    expect(definitions[0]!.kind).toBe('rabbitmq.keep-definitions');
  });

  const other = (identity: { nodes: string[] }) => ({ ...unit, identity });
  it.each<[string, string, Given]>([
    ['another node name', 'RESTORE_REFUSED', { broker: new FakeBroker(archived, { name: 'mq9' }) }],
    ['an archived cluster', 'RESTORE_REFUSED', { unit: other({ nodes: ['rabbit@mq1', 'rabbit@mq2'] }) }],
    ['an older series', 'RESTORE_VERSION', { broker: new FakeBroker(archived, { version: '3.9.13' }) }],
    ['a newer series', 'RESTORE_VERSION', { broker: new FakeBroker(archived, { version: '3.11.0' }) }],
    ['other files', 'RESTORE_REFUSED', { roots: [data.slice(1), 'etc/passwd'] }],
    ['no data', 'RESTORE_REFUSED', { roots: [`${data.slice(1)}-feature_flags`] }],
    ['a mount point', 'RESTORE_REFUSED', { place: `mount\n${data}\n` }],
    ['data with a link', 'RESTORE_REFUSED', { place: `inside\n${data}\n${data}/x is a symbolic link\n` }],
    ['no messages', 'ARTIFACT_MISSING', { isSaved: false }],
    ['a second selector', 'OPTION_INVALID', { selected: { messages: ['yes'], exact: ['yes'] } }],
    ['another word', 'OPTION_INVALID', { selected: { messages: ['maybe'] } }],
  ])('is refused for %s', async (_, code, given) => {
    await expect(plan(given)).rejects.toMatchObject({ code });
  });
});

describe('the comparison of messages', () => {
  const params = {
    ...{ host: 'mq1', rabbitmqctl: 'rabbitmqctl', user: 'rabbitmq', archived: data.slice(1), data, directory: '/d' },
    counts: [queue, { ...queue, name: 'ttl', mayExpire: true }],
    isStrict: true,
  };
  async function verify(printed: string, isStrict = true): Promise<readonly string[]> {
    const broker = new FakeBroker(archived);
    broker.host.answer(/^rabbitmqctl eval/, { stdout: `"${printed}"\n` });
    const fake = fakeRestore(broker);
    // Each look at the clock is a minute later.
    let minutes = 0;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => ++minutes * 61_000);
    try {
      await verifyMessages.apply(fake.running, { ...params, isStrict }, null);
    } finally {
      clock.mockRestore();
    }
    expect(broker.files.has('/d/verified')).toBe(true);
    return fake.warnings.map(({ code }) => code);
  }

  it('takes equal numbers, what may have expired, and what clients may have done', async () => {
    expect(await verify('counted true 0 2f:71:5:false 2f:74746c:5:true')).toEqual([]);
    expect(await verify('counted true 0 2f:71:5:false 2f:74746c:2:true')).toEqual(['RMQ_MESSAGES']);
    expect(await verify('counted false 1 2f:71:4:false')).toEqual(['RMQ_MESSAGES']);
    expect(await verify('counted true 0 2f:71:4:false', false)).toEqual(['RMQ_MESSAGES']);
  });

  it.each([
    'counted true 0 2f:71:4:false 2f:74746c:5:true',
    'counted true 0 2f:71:5:false 2f:74746c:6:true',
    'counted true 0',
  ])('fails for %s', async (printed) => {
    await expect(verify(printed)).rejects.toMatchObject({ code: 'RESTORE_CHECK', host: 'mq1' });
  });
});

describe('a data directory', () => {
  const look = (named: string) => {
    const remote = new FakeHost({
      name: 'mq1',
      rules: [{ argv: /./, answer: (command, input) => runHere(command, input) }],
    });
    return lookAtData(remote, { rabbitmqctl: 'rabbitmqctl', named }, new AbortController().signal);
  };

  it('is not whole where it is a link, holds one, or has something mounted in it', async () => {
    const place = realpathSync(mkdtempSync(join(tmpdir(), 'rabbitmq data-')));
    try {
      mkdirSync(join(place, 'node/queues'), { recursive: true });
      expect(await look(join(place, 'node'))).toMatchObject({ directory: join(place, 'node'), obstacle: null });
      symlinkSync('node', join(place, 'other'));
      expect(await look(join(place, 'other'))).toMatchObject({ obstacle: `${place}/other is a symbolic link` });
      symlinkSync('/elsewhere', join(place, 'node/queues/one'));
      expect(await look(join(place, 'node'))).toMatchObject({
        obstacle: `${place}/node/queues/one is a symbolic link`,
      });
      expect((await look('/dev')).obstacle).toMatch(/^something else is mounted on \/dev\//);
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});

describe('a backup of messages of a cluster of several nodes', () => {
  it('is refused in the plan', async () => {
    const { host } = new FakeBroker(archived);
    const nodes = ['rabbit@mq1', 'rabbit@mq2'];
    host.answer(/^rabbitmqctl cluster_status/, {
      stdout: JSON.stringify({ cluster_name: 'c', disk_nodes: nodes, running_nodes: nodes }),
    });
    host.answer(/^systemctl show/, { stdout: '' });
    host.answer(/^sh -c hidden/, ({ argv }) => ({
      stdout: argv
        .slice(4)
        .map((path) => (path === '/etc/rabbitmq' ? `directory\t8\t${path}\t${path}\n` : 'missing\n'))
        .join(''),
    }));
    host.answer(/^sh -c help/, {});
    host.answer(/^sh -c find/, { stdout: '\0' });
    const options = rabbitmqOptions.parse({ messages: 'yes' });
    const { found, artifacts } = onlyUnit(await rabbitmq.discover(fakeDiscoverContext({ hosts: [host], options })));
    expect(found).toMatchObject({ messages: null, refusal: { code: 'ARTIFACT_NOT_SAVED' } });
    expect(artifacts.at(-1)).toMatchObject({
      path: 'rabbitmq/mq1/messages.tar',
      refusal: { message: expect.stringContaining('2 nodes') },
    });
    expect(JSON.stringify(artifacts)).not.toContain('systemctl stop');
  });
});
