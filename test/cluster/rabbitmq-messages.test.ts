import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { clusterSeed } from './cluster.mjs';
import { leftovers, shellOnHost } from '../support/cluster-host.js';
import { restoreByHand } from '../support/by-hand.js';
import { type Finished, jsonLines, lsbackup, must, startLsbackup, temporaryDirectory } from '../support/lsbackup.js';
import { publish, readMessages } from '../support/rabbitmq-messages.js';
import { inRabbitmq, rabbitmqTables } from '../support/rabbitmq-state.js';
import { RestoreRuns, summaryOf } from '../support/restore-run.js';

jest.setTimeout(300_000);

const build = 'test/cluster/build';
const client = { host: 'mq1', user: 'worker', vhost: 'work' };
const wanted = ['--set', 'rabbitmq.messages=true'];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let target: string;
let runs: RestoreRuns;
let atBackup: readonly string[];
let backup: Finished;

beforeAll(async () => {
  directory = await temporaryDirectory();
  target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  await must('mkdir', target);
  // Of a test that was interrupted.
  await shellOnHost('mq1', 'rm -rf /var/lib/rabbitmq/mnesia/.lsbackup-*');
  await clusterSeed(['mq1']);
  await makeVhost();
  await publish(client, { name: 'plain', type: 'classic', messages: 300 });
  await publish(client, { name: 'replicated', type: 'quorum', messages: 30 });
  atBackup = await state();
  expect(atBackup.filter((line) => /^(plain|replicated) /.test(line))).toHaveLength(330);
  backup = await lsbackup('-b', build, '-t', target, '--only', 'rabbitmq', ...wanted, '--json');
});

afterAll(async () => {
  await clusterSeed(['mq1']);
  await directory[Symbol.asyncDispose]();
});

async function makeVhost(): Promise<void> {
  await inRabbitmq(
    'mq1',
    `ok = rabbit_vhost:add(<<"work">>, <<"me">>), ok = rabbit_auth_backend_internal:add_user(<<"worker">>, <<"worker">>, <<"me">>),
    ok = rabbit_auth_backend_internal:set_permissions(<<"worker">>, <<"work">>, <<".*">>, <<".*">>, <<".*">>, <<"me">>), <<>>`,
  );
}

/** All definitions, and every message of every queue of the client's virtual host, those of the classic queue in their order. */
async function state(): Promise<readonly string[]> {
  const names = await inRabbitmq(
    'mq1',
    'lists:join(<<"\\n">>, lists:sort([element(4, amqqueue:get_name(Q)) || Q <- rabbit_amqqueue:list(<<"work">>)]))',
  );
  const queues = names.split('\n').filter(Boolean);
  const messages: string[] = [];
  for (const queue of queues) {
    const lines = await readMessages(client, queue);
    // Reading changes the order in a quorum queue.
    messages.push(...(queue === 'replicated' ? [...lines].sort() : lines));
  }
  return [...(await rabbitmqTables('mq1')), ...messages];
}

/** Messages of other content in one queue, another queue instead of the second. */
async function otherMessages(): Promise<readonly string[]> {
  await inRabbitmq('mq1', 'ok = rabbit_vhost:delete(<<"work">>, <<"me">>), <<>>');
  await inRabbitmq('mq1', 'ok = rabbit_auth_backend_internal:delete_user(<<"worker">>, <<"me">>), <<>>');
  await makeVhost();
  await publish(client, { name: 'other', type: 'classic', messages: 20 });
  return state();
}

async function expectNothingLeft(): Promise<void> {
  expect(await leftovers('mq1')).toEqual([]);
  expect((await shellOnHost('mq1', 'ls -A /var/lib/rabbitmq/mnesia')).split('\n').filter(Boolean).sort()).toEqual([
    'rabbit@mq1',
    'rabbit@mq1-feature_flags',
    'rabbit@mq1-plugins-expand',
    'rabbit@mq1.pid',
  ]);
}

const restoring = (...more: readonly string[]): readonly string[] => [
  ...['-b', build, '-t', target, '--only', 'rabbitmq', '--select', 'rabbitmq.messages=yes', ...more],
];

describe('messages of RabbitMQ', () => {
  it('are saved with the node stopped, which is said before and after', async () => {
    expect(backup.status).toBe(0);
    const warnings = jsonLines(backup.stdout).filter(({ type }) => type === 'warning');
    expect(warnings).toContainEqual(
      expect.objectContaining({ code: 'RMQ_DOWNTIME', message: expect.stringContaining('WILL BE STOPPED') as unknown }),
    );
    expect(warnings.map(({ code }) => code)).not.toContain('MESSAGES_NOT_SAVED');
    const plan = await lsbackup('plan', '-b', build, '--only', 'rabbitmq', ...wanted, '--json');
    expect(plan.stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /systemctl stop rabbitmq-server.*tar .*systemctl start rabbitmq-server/,
    );
    const [archive = ''] = await readdir(target);
    const { stdout } = await lsbackup('show', '-t', target, archive, '--json');
    const { metadata } = JSON.parse(stdout) as {
      metadata: { components: { name: string; units: { baseline: { messages: unknown } }[] }[] };
    };
    const unit = metadata.components.find(({ name }) => name === 'rabbitmq')?.units[0];
    expect(unit?.baseline.messages).toEqual([
      { vhost: 'work', name: 'plain', messages: 300, mayExpire: false },
      { vhost: 'work', name: 'replicated', messages: 30, mayExpire: false },
    ]);
    expect(await state()).toEqual(atBackup);
    await expectNothingLeft();
  });

  it('come back with everything else, each in its place, and go again', async () => {
    const old = await otherMessages();
    const dry = await runs.run(...restoring('--dry-run'));
    expect(dry).toMatchObject({ status: 0, stdout: expect.stringContaining('downtime of RabbitMQ on mq1') as unknown });
    expect(await runs.run(...restoring('--yes', '--select', 'rabbitmq.exact=yes'))).toMatchObject({ status: 2 });
    const restored = await runs.run(...restoring('--yes', '--json'));
    expect({ ...summaryOf(restored), error: restored.stderr }).toMatchObject({ status: 'complete' });
    expect(await state()).toEqual(atBackup);
    const run = await runs.lastRun();
    expect(await runs.run('--rollback', run, '--yes')).toMatchObject({ status: 0 });
    expect(await state()).toEqual(old);
    await expectNothingLeft();
  });

  it('are all of the old or all of the new ones when lsbackup is killed', async () => {
    const old = await otherMessages();
    // While it unpacks, while data are replaced (three times), when they are compared.
    for (const [event, milliseconds, way] of [
      [1, 100, '--resume'],
      [3, 300, '--rollback'],
      [3, 3500, '--resume'],
      [3, 7000, '--rollback'],
      [5, 500, '--resume'],
    ] as const) {
      const where = { event, milliseconds, way };
      const result = await runs.during(restoring('--yes'), event, async (kill) => {
        await delay(milliseconds);
        kill();
      });
      expect({ ...where, signal: result.signal }).toEqual({ ...where, signal: 'SIGKILL' });
      const finished = await runs.run(way, await runs.lastRun(), '--yes');
      expect({ ...where, status: finished.status, stderr: finished.stderr }).toMatchObject({ ...where, status: 0 });
      expect({ ...where, state: await state() }).toEqual({ ...where, state: way === '--resume' ? atBackup : old });
      if (way === '--resume')
        expect(await runs.run('--rollback', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
      await expectNothingLeft();
    }
    expect(await state()).toEqual(old);
  });

  it('are the old ones when the connection is lost', async () => {
    const old = await otherMessages();
    for (const [event, milliseconds] of [
      [1, 100],
      [3, 300],
      [3, 3500],
      [3, 7000],
    ] as const) {
      const where = { event, milliseconds };
      const result = await runs.during(restoring('--yes', '--json'), event, async () => {
        await delay(milliseconds);
        await shellOnHost('mq1', 'pkill -KILL -u admin sshd || [ $? -eq 1 ]');
      });
      expect({ ...where, acted: result.acted, sets: summaryOf(result).sets }).toMatchObject({
        ...where,
        acted: true,
        sets: [{ status: 'undone' }],
      });
      expect({ ...where, state: await state() }).toEqual({ ...where, state: old });
      await expectNothingLeft();
    }
  });
});

it('messages come back by the commands of RESTORE.txt', async () => {
  await otherMessages();
  const [archive = ''] = await readdir(target);
  await restoreByHand('mq1', join(target, archive), 'with the messages in queues');
  expect(await state()).toEqual(atBackup);
  await shellOnHost('mq1', 'rm -rf /var/lib/rabbitmq/mnesia/.replaced-*');
  await expectNothingLeft();
});

describe('RabbitMQ runs again after a backup of its messages', () => {
  const stopping = "pgrep -f 'systemctl sto[p] rabbitmq-server'";
  const stopped = '! systemctl -q is-active rabbitmq-server';

  it.each([
    { what: 'lsbackup is killed while the node stops', when: stopping, how: 'SIGKILL', seconds: 60 },
    { what: 'lsbackup is killed when it has stopped', when: stopped, how: 'SIGKILL', seconds: 60 },
    { what: 'lsbackup is cancelled', when: stopped, how: 'SIGINT', seconds: 60 },
    { what: 'the connection is lost', when: stopped, how: 'pkill -KILL -u admin sshd', seconds: 60 },
  ] as const)('$what', async ({ when, how, seconds }) => {
    const before = await state();
    const { child, finished } = startLsbackup(['-b', build, '-t', target, '--only', 'rabbitmq', ...wanted]);
    await shellOnHost(
      'mq1',
      `for attempt in $(seq 3000); do if ${when} > /dev/null; then exit 0; fi; sleep 0.02; done; exit 1`,
    );
    if (how === 'SIGKILL' || how === 'SIGINT') child.kill(how);
    else await shellOnHost('mq1', how);
    const since = Date.now();
    const ended = await finished;
    expect(ended.signal === 'SIGKILL' || ended.status !== 0).toBe(true);
    await shellOnHost(
      'mq1',
      'while ! systemctl -q is-active rabbitmq-server || systemctl list-jobs | grep -q rabbitmq; do sleep 1; done; rabbitmqctl -q await_startup',
    );
    expect(Date.now() - since).toBeLessThan(seconds * 1000);
    expect(await state()).toEqual(before);
    while ((await leftovers('mq1')).length > 0 && Date.now() - since < 100_000) await delay(1000);
    await expectNothingLeft();
  });

  it('nothing of ours is left but the timer', async () => {
    const { child, finished } = startLsbackup(['-b', build, '-t', target, '--only', 'rabbitmq', ...wanted]);
    await shellOnHost('mq1', `for attempt in $(seq 3000); do if ${stopped}; then exit 0; fi; sleep 0.02; done; exit 1`);
    child.kill('SIGSTOP');
    // The shell that holds the node, and what sudo put around it.
    await shellOnHost('mq1', "sleep 3; pkill -KILL -f 'lsbackup-start-[r]abbitmq'");
    await shellOnHost('mq1', `sleep 30; ${stopped}; sleep 40; systemctl -q is-active rabbitmq-server`);
    child.kill('SIGCONT');
    const ended = await finished;
    expect({ status: ended.status, stderr: ended.stderr }).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/mq1: RabbitMQ was stopped to copy its messages/) as unknown,
    });
    await expectNothingLeft();
  });
});
