import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { clusterSeed } from './cluster.mjs';
import { leftovers, shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import { inRabbitmq, rabbitmqTables } from '../support/rabbitmq-state.js';
import { RestoreRuns, summaryOf } from '../support/restore-run.js';

jest.setTimeout(240_000);

const build = 'test/cluster/build';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let runs: RestoreRuns;
let args: readonly string[];
let atBackup: readonly string[];
let old: readonly string[];

beforeAll(async () => {
  directory = await temporaryDirectory();
  const target = join(directory.path, 'target');
  runs = new RestoreRuns(join(directory.path, 'state'));
  args = ['-b', build, '-t', target, '--only', 'rabbitmq', '--yes'];
  await must('mkdir', target);
  await clusterSeed(['mq1']);
  atBackup = await rabbitmqTables('mq1');
  expect(await lsbackup('-b', build, '-t', target, '--only', 'rabbitmq')).toMatchObject({ status: 0 });
  await otherDefinitions();
  old = await rabbitmqTables('mq1');
});

afterAll(async () => {
  await clusterSeed(['mq1']);
  await directory[Symbol.asyncDispose]();
});

/** Something of every sort that an import adds, changes or leaves alone. */
async function otherDefinitions(): Promise<void> {
  await inRabbitmq(
    'mq1',
    `Me = <<"me">>, Orders = <<"orders">>, Guest = <<"guest">>,
    ok = rabbit_auth_backend_internal:change_password(Guest, <<"other">>, Me),
    ok = rabbit_auth_backend_internal:delete_user(<<"orders-service">>, Me),
    ok = rabbit_auth_backend_internal:add_user(<<"keeper">>, <<"secret">>, Me),
    ok = rabbit_vhost:add(<<"mine">>, Me),
    ok = rabbit_policy:parse_set(<<"mine">>, <<"p">>, <<"q">>, <<"{\\"max-length\\": 3}">>, <<"0">>, <<"all">>, Me),
    ok = rabbit_policy:parse_set(Orders, <<"expiry">>, <<".*">>, <<"{\\"max-length\\": 1}">>, <<"99">>, <<"all">>, Me),
    {ok, _} = rabbit_amqqueue:with(rabbit_misc:r(Orders, queue, <<"orders.region-07">>), fun(Queue) -> rabbit_amqqueue:delete(Queue, false, false, Me) end),
    <<>>`,
  );
}

/** The archive's definitions are all there, and what it does not have is as it was. */
function expectNew(state: readonly string[]): void {
  expect(atBackup.filter((line) => !state.includes(line))).toEqual([]);
  const mine = old.filter((line) => /<<"keeper">>| 6D696E65 /.test(line));
  expect(mine.length).toBeGreaterThan(2);
  expect(state.filter((line) => !atBackup.includes(line)).sort()).toEqual(mine);
}

async function expectNothingLeft(): Promise<void> {
  expect(await leftovers('mq1')).toEqual([]);
  expect(await shellOnHost('mq1', 'ls -A /var/lib/rabbitmq')).toBe('.erlang.cookie\nmnesia\n');
}

const cut = 'pkill -KILL -u admin sshd || [ $? -eq 1 ]';
/** As soon as the import runs, which goes on in the node when its command is gone. */
const cutAtImport = `for attempt in $(seq 1000); do
  if pgrep -f '^[^ ]*(erl|beam)[^ ]* .* import_definitions /var/lib/rabbitmq/.lsbackup' > /dev/null; then ${cut}; exit; fi
  sleep 0.02
done
echo 'the import was not seen' >&2
exit 1`;

/** Three steps begin and end: six events. One that begins follows at once on the one before that ends, so these are one moment. */
const moments: readonly (readonly [event: number, script: string])[] = [
  [1, cut],
  [2, cut],
  [3, cutAtImport],
  [4, cut],
  [6, cut],
];

it('has the old definitions or the archived ones, whole, whenever the connection is lost', async () => {
  let lost = 0;
  for (const [event, script] of moments) {
    const result = await runs.during(args, event, async () => {
      await shellOnHost('mq1', script);
    });
    expect({ event, acted: result.acted }).toEqual({ event, acted: true });
    if (result.status === 0) {
      expectNew(await rabbitmqTables('mq1'));
      // After the last step there was nothing left to be lost.
      expect(event).toBe(6);
      expect(await runs.run('--drop-old', await runs.lastRun(), '--yes')).toMatchObject({ status: 0 });
    } else {
      lost += 1;
      expect({ event, sets: summaryOf(result).sets }).toMatchObject({ event, sets: [{ status: 'undone' }] });
      expect({ event, state: await rabbitmqTables('mq1') }).toEqual({ event, state: old });
    }
    await expectNothingLeft();
  }
  expect(lost).toBeGreaterThanOrEqual(4);
});
