import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  readFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { StepContext } from '../components/restore.js';
import { silentLogger } from '../model/logger.js';
import { FakeHost, runHere } from '../testing/fake-host.js';
import { keepFiles, type KeepFiles } from './keep-files.js';
import { filesState, putAndCheck } from './put-files.js';

const { signal } = new AbortController();
const remote = new FakeHost({ name: 'h', rules: [{ argv: /^sh -c/, answer: runHere }] });
const context: StepContext = {
  runId: 'r',
  remote: () => Promise.resolve(remote),
  read: () => Promise.reject(new Error('not read')),
  warn: () => undefined,
  signal,
  log: silentLogger,
};
let top: string;
let params: KeepFiles;

function write(name: string, text: string): void {
  mkdirSync(join(top, name, '..'), { recursive: true });
  writeFileSync(join(top, name), text);
}

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'put-files-')));
  const host = top.slice(1);
  const staged = `run/new/${host}`;
  write('own/same', 'old');
  write('own/later', 'old');
  write('shared/same', 'old');
  write('shared/other-service.key', 'theirs');
  write(`${staged}/own/same`, 'new');
  write(`${staged}/own/odd\nname`, 'new');
  write(`${staged}/shared/same`, 'new');
  write(`${staged}/shared/in/added`, 'new');
  write(`${staged}/fresh/file`, 'new');
  write(`${staged}/single`, 'new');
  chmodSync(join(top, staged, 'fresh'), 0o700);
  const roots = ['own', 'shared', 'fresh', 'single'].map((name) => `${host}/${name}`);
  params = { host: 'h', directory: join(top, 'run'), roots, shared: [roots[1] ?? '', roots[2] ?? ''] };
});
afterEach(() => {
  rmSync(top, { recursive: true });
});

/** Files and what is in them, but for those of the run. */
function found(): Readonly<Record<string, string>> {
  const files = readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(top.length + 1))
    .filter((name) => !name.startsWith('run/'));
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(top, name), 'utf8')]));
}

it('replaces whole what is its own, and only the archived files of shared directories; and back', async () => {
  const before = found();
  await keepFiles.apply(context, params, null);
  await putAndCheck(remote, params, { version: 'new', signal });
  expect(found()).toEqual({
    'own/same': 'new',
    'own/odd\nname': 'new',
    'shared/same': 'new',
    'shared/in/added': 'new',
    'shared/other-service.key': 'theirs',
    'fresh/file': 'new',
    single: 'new',
  });
  expect(statSync(join(top, 'fresh')).mode & 0o777).toBe(0o700);
  expect(await filesState(remote, params, signal)).toMatchObject({ isNew: true, isOld: false, isKept: true });

  write('shared/since', 'theirs');
  rmSync(join(top, 'run/new'), { recursive: true });
  await putAndCheck(remote, params, { version: 'old', signal });
  expect(found()).toEqual({ ...before, 'shared/since': 'theirs' });
  expect(readdirSync(top).sort()).toEqual(['own', 'run', 'shared']);
  expect(readdirSync(join(top, 'shared'))).not.toContain('in');
  await keepFiles.revert?.(context, params, null);
  expect(readdirSync(join(top, 'run'))).toEqual(['changing']);
});

it('takes more files than a command line can name', async () => {
  const roots = Array.from({ length: 3500 }, (_, index) => `${top.slice(1)}/live/site-${String(index)}.pem`);
  for (const root of roots) write(`run/new/${root}`, 'x');
  const many = { ...params, roots, shared: [] };
  remote.commands.length = 0;
  await keepFiles.apply(context, many, null);
  await putAndCheck(remote, many, { version: 'new', signal });
  expect(readdirSync(join(top, 'live'))).toHaveLength(3500);
  expect(Math.max(...remote.transcript.map((line) => line.length))).toBeLessThan(8192);
}, 60_000);

it('says which version is gone', async () => {
  await keepFiles.apply(context, params, null);
  await putAndCheck(remote, params, { version: 'new', signal });
  rmSync(join(top, 'run/old'), { recursive: true });
  expect(await filesState(remote, params, signal)).toMatchObject({ isNew: true, isChanging: true, isKept: false });
  await expect(putAndCheck(remote, params, { version: 'old', signal })).rejects.toMatchObject({
    code: 'RESTORE_REFUSED',
    message: `h: what was there before is no longer kept: ${params.directory}/old was removed`,
  });
});
