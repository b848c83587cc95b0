import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { describeStore } from '../testing/store-contract.js';
import type { BackupError } from '../model/errors.js';
import { localError } from './local-errors.js';
import { localDriver, openLocalStore } from './local.js';
import { thisOwner } from './owner.js';
import type { Upload } from './store.js';

const never = new AbortController().signal;
const day = 86_400_000;

describeStore({ describe, it }, 'local store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'lsbackup-store-'));
  return {
    open: () => openLocalStore(directory),
    leftovers: async () => (await readdir(directory)).filter((name) => name.startsWith('.')),
    dispose: () => rm(directory, { recursive: true }),
  };
});

const nobody = 65_534;

/** Root may read everything. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(nobody);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe('local store', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-store-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const upload = async (text: string): Promise<Upload> => {
    const store = await openLocalStore(directory);
    const begun = await store.begin('a.tar.gz', { signal: never, runId: 'run-1' });
    begun.body.end(text);
    await once(begun.body, 'finish');
    return begun;
  };

  it('tells an object that may not be read from a target that cannot be used', async () => {
    await chmod(directory, 0o755);
    await writeFile(join(directory, 'lsbackup-a.tar.gz'), 'x', { mode: 0 });
    const store = await openLocalStore(directory);
    await asNobody(() =>
      expect(store.get('lsbackup-a.tar.gz')).rejects.toMatchObject({
        code: 'OBJECT_UNREADABLE',
        message: expect.stringContaining('lsbackup-a.tar.gz'),
      }),
    );
  });

  it('tells a target that may not be read from one that may not be written', async () => {
    const store = await openLocalStore(directory);
    const names = async (): Promise<void> => {
      for await (const { name } of store.list('')) throw new Error(name);
    };
    const unreadable = { code: 'TARGET_UNREADABLE', message: expect.stringContaining('cannot be read') };
    await chmod(directory, 0o333);
    await asNobody(() => expect(names()).rejects.toMatchObject(unreadable));
    await chmod(directory, 0o700);
    if (process.geteuid?.() === 0) {
      await asNobody(() => expect(openLocalStore(join(directory, 'below'))).rejects.toMatchObject(unreadable));
      await asNobody(() => expect(store.stat('a')).rejects.toMatchObject(unreadable));
    }
  });

  it('a missing target is TARGET_MISSING and is not created', async () => {
    const missing = join(directory, 'unmounted');
    await expect(openLocalStore(missing)).rejects.toMatchObject({ code: 'TARGET_MISSING', exitStatus: 2 });
    await expect(stat(missing)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('a target that goes away after it was opened is TARGET_MISSING', async () => {
    const store = await openLocalStore(directory);
    await rm(directory, { recursive: true });
    await expect(store.begin('a', { signal: never, runId: 'r' })).rejects.toMatchObject({ code: 'TARGET_MISSING' });
  });

  it('a file is no target', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(openLocalStore(file)).rejects.toMatchObject({ code: 'TARGET_MISSING' });
  });

  it('opens file URLs with escapes and a slash at the end', async () => {
    const odd = join(directory, 'two words %');
    await mkdir(odd);
    const store = await localDriver.open(new URL(`${pathToFileURL(odd).href}/`), {});
    expect(store.description).toBe(odd);
  });

  it('published files can be read by their owner only', async () => {
    await (await upload('x')).commit({ stillOwner: () => Promise.resolve(true) });
    expect((await stat(join(directory, 'a.tar.gz'))).mode & 0o777).toBe(0o600);
  });

  it('unfinished files can be read by their owner only', async () => {
    const begun = await upload('secret');
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    await begun.abort();
  });

  it('lists files only, and not dot-files of anybody', async () => {
    await writeFile(join(directory, '.hidden'), '');
    await mkdir(join(directory, 'folder'));
    await writeFile(join(directory, 'b'), 'bytes');
    await symlink('b', join(directory, 'a'));
    await symlink('nowhere', join(directory, 'broken'));
    const found: unknown[] = [];
    for await (const entry of (await openLocalStore(directory)).list('')) found.push([entry.name, entry.bytes]);
    expect(found).toEqual([
      ['a', 5],
      ['b', 5],
    ]);
  });

  it('a name that something else than a file has is taken too', async () => {
    await symlink('nowhere', join(directory, 'a.tar.gz'));
    const begun = await upload('x');
    expect(begun.name).toBe('a_1.tar.gz');
    await begun.abort();
  });

  it('an archive whose name cannot be made durable is not published', async () => {
    if (process.geteuid?.() === 0) await chown(directory, nobody, nobody);
    await asNobody(async () => {
      const begun = await upload('x');
      // Names may be made here, but the directory cannot be opened, so it cannot be synced.
      await chmod(directory, 0o300);
      await expect(begun.commit({ stillOwner: () => Promise.resolve(true) })).rejects.toMatchObject({
        code: 'TARGET_READ_ONLY',
      });
      await begun.abort();
    });
    await chmod(directory, 0o700);
    expect(await readdir(directory)).toEqual([]);
  });

  it("a claim that is another run's by now stops the commit", async () => {
    const begun = await upload('x');
    await writeFile(join(directory, '.a.tar.gz.claim'), JSON.stringify(await thisOwner('0'.repeat(16), 'other')));
    await expect(begun.commit({ stillOwner: () => Promise.resolve(true) })).rejects.toMatchObject({ code: 'ABORTED' });
    await begun.abort();
    expect(await readdir(directory)).toEqual(['.a.tar.gz.claim']);
  });

  it('a claim that was removed does not', async () => {
    const begun = await upload('x');
    await rm(join(directory, '.a.tar.gz.claim'));
    await begun.commit({ stillOwner: () => Promise.resolve(true) });
    expect(await readdir(directory)).toEqual(['a.tar.gz']);
  });

  it('makes the bytes durable before they get their name, and then the name', async () => {
    const seen: { synced: string; published: readonly string[] }[] = [];
    const probe = await open(directory);
    await probe.close();
    const handles = Object.getPrototypeOf(probe) as FileHandle;
    const sync: (this: FileHandle) => Promise<void> = Reflect.get(handles, 'sync');
    const begun = await upload('x');
    const spy = jest.spyOn(handles, 'sync').mockImplementation(async function (this: FileHandle) {
      seen.push({
        synced: await readlink(`/proc/self/fd/${this.fd}`),
        published: (await readdir(directory)).filter((name) => !name.startsWith('.')),
      });
      await sync.call(this);
    });
    try {
      await begun.commit({ stillOwner: () => Promise.resolve(true) });
    } finally {
      spy.mockRestore();
    }
    expect(seen).toEqual([
      { synced: expect.stringMatching(/\.partial$/), published: [] },
      { synced: directory, published: ['a.tar.gz'] },
    ]);
  });

  it('says that a filesystem has no hard links', () => {
    const failed = (syscall: string, code: string): BackupError =>
      localError(Object.assign(new Error(`${code}: ${syscall}`), { code, syscall }), '/usb');
    for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS'])
      expect(failed('link', code)).toMatchObject({
        code: 'TARGET_IO',
        message: `target /usb is on a filesystem without hard links (${code}: link)`,
        hint: expect.stringContaining('choose a target'),
      });
    expect(failed('open', 'EPERM').code).toBe('TARGET_READ_ONLY');
    expect(failed('link', 'EROFS').code).toBe('TARGET_READ_ONLY');
  });

  it('maps system errors to codes', () => {
    const code = (errno: string): string => localError(Object.assign(new Error(errno), { code: errno }), '/x').code;
    expect(['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT', 'ESTALE', 'EIO'].map(code)).toEqual([
      'TARGET_READ_ONLY',
      'TARGET_READ_ONLY',
      'TARGET_READ_ONLY',
      'TARGET_NO_SPACE',
      'TARGET_NO_SPACE',
      'TARGET_UNREACHABLE',
      'TARGET_IO',
    ]);
  });

  describe('sweep', () => {
    /** A process that claims a name and writes, then waits to be killed. */
    const killedUpload = async (): Promise<void> => {
      const owner = await thisOwner('0123456789abcdef', 'killed');
      const child = spawn('sleep', ['60']);
      await once(child, 'spawn');
      const start = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[19];
      await writeFile(
        join(directory, '.a.tar.gz.claim'),
        JSON.stringify({ ...owner, pid: child.pid, processStart: start }),
      );
      await writeFile(join(directory, '.a.tar.gz.0123456789abcdef.partial'), 'half');
      const store = await openLocalStore(directory);
      expect(await store.sweep(new Date(Date.now() + 1000))).toEqual([]);
      child.kill('SIGKILL');
      await once(child, 'exit');
    };

    it('removes what a killed process left, at once, and nothing while it lives', async () => {
      await killedUpload();
      const store = await openLocalStore(directory);
      expect(await store.sweep(new Date(0))).toEqual([]);
      const removed = await store.sweep(new Date(Date.now() + 1000));
      expect(removed.map((leftover) => leftover.name)).toEqual([
        '.a.tar.gz.0123456789abcdef.partial',
        '.a.tar.gz.claim',
      ]);
      expect(removed[0]?.bytes).toBe(4);
      expect(await readdir(directory)).toEqual([]);
    });

    it('a pid that is used again is not the owner', async () => {
      const owner = { ...(await thisOwner('0123456789abcdef', 'r')), processStart: '1' };
      await writeFile(join(directory, '.a.tar.gz.claim'), JSON.stringify(owner));
      expect(await (await openLocalStore(directory)).sweep(new Date(Date.now() + 1000))).toHaveLength(1);
    });

    it.each([
      ['another machine', { hostname: 'elsewhere' }],
      ['another container on this machine', { pidNamespace: 'pid:[1]' }],
    ])('an owner on %s is given a day', async (_title, change) => {
      const claim = join(directory, '.a.tar.gz.claim');
      await writeFile(claim, JSON.stringify({ ...(await thisOwner('0123456789abcdef', 'r')), pid: 1, ...change }));
      const store = await openLocalStore(directory);
      expect(await store.sweep(new Date(Date.now() + 1000))).toEqual([]);
      const old = new Date(Date.now() - day - 60_000);
      await utimes(claim, old, old);
      expect(await store.sweep(new Date())).toHaveLength(1);
    });

    it('an unreadable claim and bytes without a claim are given a day too; other dot-files are left alone', async () => {
      const files = ['.a.tar.gz.claim', '.b.tar.gz.0123456789abcdef.partial', '.profile'];
      for (const name of files) await writeFile(join(directory, name), 'x');
      const store = await openLocalStore(directory);
      expect(await store.sweep(new Date(Date.now() + 1000))).toEqual([]);
      const old = new Date(Date.now() - 2 * day);
      for (const name of files) await utimes(join(directory, name), old, old);
      expect(await store.sweep(new Date())).toHaveLength(2);
      expect(await readdir(directory)).toEqual(['.profile']);
    });
  });
});
