import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { makeKey, runProgram } from './openssh.js';

// Several programs that add to one file of known hosts at the same time.

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-together-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('each adds lines of its own, also to a file whose last line has no end', async () => {
  const publicKey = await makeKey(path.join(directory, 'key'), 'ed25519');
  const file = path.join(directory, 'known_hosts');
  await writeFile(file, `other ${publicKey}`);
  const program = path.join(import.meta.dirname, 'add-known-hosts.mjs');
  const groups = ['a', 'b', 'c', 'd'].map((group) => Array.from({ length: 20 }, (_, index) => `${group}${index}`));
  const runs = await Promise.all(
    groups.map((names) => runProgram(process.execPath, [program, file, publicKey.split(' ')[1] ?? '', ...names])),
  );
  for (const run of runs) expect(run).toMatchObject({ status: 0, stderr: '' });
  const lines = ['other', ...groups.flat()].map((name) => `${name} ${publicKey}\n`);
  expect((await readFile(file, 'utf8')).split(/(?<=\n)/).toSorted()).toEqual(lines.toSorted());
  const found = await runProgram('ssh-keygen', ['-F', 'd19', '-f', file]);
  expect(found.status).toBe(0);
});
