import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from '@jest/globals';
import { ThisMachine } from '../testing/this-machine.js';
import { fence } from './host-fence.js';

const started: ChildProcess[] = [];
const signal = new AbortController().signal;

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A process that says `ready` when it runs. */
async function start(script: string, env: Record<string, string>): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', script, 'sh', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  started.push(child);
  await once(child.stdout, 'data');
  return child;
}

const plain = 'echo ready; exec sleep 600';

it('ends what has the mark, however deep, and nothing else', async () => {
  const run = await start(`exec env "$1" sh -c '${plain}'`, { LSBACKUP_RESTORE: 'run-1/2' });
  const wrapped = await start(`trap '' TERM; setsid sh -c '${plain}' & wait; wait`, { LSBACKUP_RESTORE: 'run-1/3' });
  const other = await start(`exec env "$1" sh -c '${plain}'`, { LSBACKUP_RESTORE: 'run-11/2' });
  const unmarked = await start(plain, {});
  const ends = [run, wrapped].map((child) => once(child, 'exit'));
  await fence(new ThisMachine(), 'run-1', signal);
  await Promise.all(ends);
  expect([other.exitCode, other.signalCode, unmarked.exitCode, unmarked.signalCode]).toEqual([null, null, null, null]);
}, 30_000);

it('takes one set of a run only', async () => {
  const mine = await start(`exec env "$1" sh -c '${plain}'`, { LSBACKUP_RESTORE: 'run-2/1' });
  const beside = await start(`exec env "$1" sh -c '${plain}'`, { LSBACKUP_RESTORE: 'run-2/10' });
  const end = once(mine, 'exit');
  await fence(new ThisMachine(), 'run-2/1', signal);
  expect(await end).toEqual([null, 'SIGTERM']);
  expect(beside.signalCode).toBeNull();
}, 30_000);
