import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { postgresql } from '../../packages/core/src/components/postgresql/index.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import { openRestore, type PostgresqlRestore } from '../support/postgresql-restore.js';
import { serverState, sql } from '../support/postgresql-state.js';
import { runSteps, type RanSteps, type StepHooks } from '../support/run-steps.js';
import { connectAs } from '../support/test-users.js';

jest.setTimeout(300_000);

const host = { name: 'db1', address: '172.28.0.21' };
const kinds = postgresql.stepKinds ?? [];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let remote: RemoteHost;
let runs = 0;

beforeAll(async () => {
  directory = await temporaryDirectory();
  remote = await connectAs(host);
});

afterAll(async () => {
  await remote[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

async function backUp(): Promise<string> {
  const target = `${directory.path}/target-${String((runs += 1))}`;
  await must('mkdir', target);
  expect(await lsbackup('-b', 'test/cluster/build', '-t', target, '--only', 'postgresql')).toMatchObject({ status: 0 });
  return target;
}

function open(target: string, selected: Record<string, string[]> = {}): Promise<PostgresqlRestore> {
  const runId = `20261123T000000Z-${String((runs += 1)).padStart(8, '0')}`;
  return openRestore({ directory: target, remote, runId, selected });
}

async function restore(
  { context, backup }: PostgresqlRestore,
  hooks: StepHooks = {},
): Promise<RanSteps & { readonly steps: Awaited<ReturnType<NonNullable<typeof postgresql.restore>>> }> {
  const steps = await postgresql.restore!(context, backup);
  return { steps, ...(await runSteps(steps, kinds, context, hooks)) };
}

describe('a whole server', () => {
  it('is restored over what is there', async () => {
    const target = await backUp();
    const before = await serverState();
    const opened = await open(target);
    const ran = await restore(opened);
    console.log(JSON.stringify(ran.steps, null, 1).slice(0, 6000), opened.warnings, ran.failed);
    expect([...ran.failed]).toEqual([]);
    console.log(await sql('postgres', 'SELECT oid, datname, datallowconn, datistemplate FROM pg_database ORDER BY 1'));
    const after = await serverState();
    for (const [name, text] of Object.entries(before)) expect([name, after[name]]).toEqual([name, text]);
  });
});
