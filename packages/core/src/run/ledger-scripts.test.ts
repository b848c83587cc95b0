import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { holdScript } from './ledger-scripts.js';

async function hold(state: string, runId: string): Promise<number> {
  const command = spawn('sh', ['-c', holdScript, 'lsbackup', state, runId, '60'], { stdio: 'ignore' });
  const [status] = (await once(command, 'exit')) as [number];
  return status;
}

it('a record begins also while another run removes the directory of all of them', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'ledger-')), 'state');
  const loop = async (name: string): Promise<number[]> => {
    const statuses: number[] = [];
    for (let round = 0; round < 100; round++) statuses.push(await hold(state, `${name}-${String(round)}`));
    return statuses;
  };
  const statuses = (await Promise.all([loop('a'), loop('b')])).flat();
  rmSync(join(state, '..'), { recursive: true });
  expect(statuses.filter((status) => status !== 0)).toEqual([]);
});

it('a stopped command removes its record and the directory of all runs, when that is empty', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'ledger-')), 'state');
  const command = spawn('sh', ['-c', holdScript, 'lsbackup', state, 'a-1', '60'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(command.stdout, 'data');
  expect(existsSync(join(state, 'a-1'))).toBe(true);
  command.kill('SIGTERM');
  const [status] = (await once(command, 'exit')) as [number];
  const left = existsSync(state);
  rmSync(join(state, '..'), { recursive: true });
  expect({ status, left }).toEqual({ status: 1, left: false });
});
