import { spawnSync } from 'node:child_process';
import { access, mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { rejection } from '../../../../test/support/sample-remote.js';
import { startGuarded } from './process-guard.js';

/** One that has ended and that nobody has asked about yet does not count. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return /^[^Z\s]/.test(stdout);
}

/** A program that leaves a part behind that does not want to end, and prints its number. */
const stubborn = ['-c', `sh -c 'trap "" TERM; echo $$; exec sleep 984' & sleep 0.2`];

it('ends what a program left behind, by force if need be, and removes the directory', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-guard-'));
  const { child, end } = await startGuarded('sh', stubborn, { stdio: ['ignore', 'pipe', 'ignore'], directory });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  await once(child, 'exit');
  const left = Number(line.toString());
  expect(isAlive(left)).toBe(true);
  await end();
  await delay(50);
  expect(isAlive(left)).toBe(false);
  await expect(access(directory)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('misses no end of a program that ends at once, and can be ended twice', async () => {
  const { child, end } = await startGuarded('sh', ['-c', 'echo done'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exit = once(child, 'exit');
  expect(await text(child.stdout!)).toBe('done\n');
  expect(await exit).toEqual([0, null]);
  await Promise.all([end(), end()]);
  await end();
});

it('says why a program cannot be started', async () => {
  expect(await rejection(startGuarded('/nonexistent/program', [], { stdio: 'pipe' }))).toMatchObject({
    code: 'ENOENT',
  });
});

it('ends the program also where the shell beside it was killed, and does not wait for that for ever', async () => {
  const { child, end } = await startGuarded('sleep', ['983'], { stdio: 'ignore' });
  const { stdout } = spawnSync('pgrep', ['-f', ` lsbackup ${child.pid} ?$`], { encoding: 'utf8' });
  process.kill(Number(stdout.trim()), 'SIGKILL');
  const exit = once(child, 'exit');
  await delay(100);
  await end();
  expect(await exit).toEqual([null, 'SIGKILL']);
});
