import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BackupError, Secret } from '@lsbackup/core';
import { readVaultSecrets, type VaultSources } from './vault-secrets.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-secrets-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function put(name: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, content);
  await chmod(file, mode);
  return file;
}

async function read(sources: Partial<VaultSources>, signal = new AbortController().signal) {
  const secrets = await readVaultSecrets(
    { ids: [], files: [], ask: false, ...sources },
    { homeDirectory: directory, signal, prompt: (question) => Promise.resolve(new Secret(` answer to ${question} `)) },
  );
  return secrets.map(({ id, password }) => [id, password.reveal()]);
}

describe('readVaultSecrets', () => {
  it('takes ids, then files, then a prompt, as Ansible does', async () => {
    const [one, two] = [await put('one', 'first\n'), await put('two', 'second')];
    expect(
      await read({ files: [one], ids: [`prod@${two}`, one, 'dev@prompt', 'prompt', `@${one}`], ask: true }),
    ).toEqual([
      ['prod', 'second'],
      [undefined, 'first'],
      ['dev', 'answer to Vault password (dev)'],
      [undefined, 'answer to Vault password'],
      [undefined, 'first'],
      [undefined, 'first'],
      [undefined, 'answer to Vault password'],
    ]);
    expect(await read({})).toEqual([]);
    expect(await read({ files: ['~/one'] })).toEqual([[undefined, 'first']]);
    expect(await read({ ids: [`a@${await put('mail@host', 'x')}`] })).toEqual([['a', 'x']]);
  });

  it('strips what Ansible strips', async () => {
    expect(await read({ files: [await put('spaces', '\n \t pass word é \r\n\n')] })).toEqual([
      [undefined, 'pass word é'],
    ]);
    const program = await put('program', "#!/bin/sh\nprintf '\\r\\n pass word \\n\\n'\n", 0o700);
    expect(await read({ files: [program] })).toEqual([[undefined, ' pass word ']]);
  });

  it('runs programs, and tells a client the label', async () => {
    const program = await put('program.sh', '#!/bin/sh\necho "$# $*"\n', 0o700);
    const client = await put('vault-client.sh', '#!/bin/sh\necho "$# $*"\n', 0o755);
    expect(await read({ ids: [`prod@${program}`, `prod@${client}`], files: [client] })).toEqual([
      ['prod', '0 '],
      ['prod', '2 --vault-id prod'],
      [undefined, '0 '],
    ]);
  });

  it.each<[string, () => Promise<Partial<VaultSources>>, RegExp]>([
    [
      'a file that is not there',
      () => Promise.resolve({ files: [join(directory, 'nope')] }),
      /cannot read .*nope: no such file/,
    ],
    ['a directory', () => Promise.resolve({ files: [directory] }), /no regular file/],
    ['an empty file', async () => ({ files: [await put('empty', ' \n')] }), /is empty/],
    ['a password that is not text', async () => ({ files: [await put('bytes', Buffer.of(0xe9))] }), /UTF-8/],
    ['a vault', async () => ({ files: [await put('vault', '$ANSIBLE_VAULT;1.1;AES256\n61\n')] }), /itself encrypted/],
    [
      'a program that fails',
      async () => ({ files: [await put('fails', '#!/bin/sh\necho hunter2\nexit 3\n', 0o700)] }),
      /ended with status 3/,
    ],
    [
      'a program that is killed',
      async () => ({ files: [await put('dies', '#!/bin/sh\nkill -9 $$\n', 0o700)] }),
      /SIGKILL/,
    ],
    [
      'text that is executable',
      async () => ({ files: [await put('text', 'hunter2\n', 0o700)] }),
      /is executable, but is no program/,
    ],
    ['a program that prints nothing', async () => ({ files: [await put('silent', '#!/bin/sh\n', 0o700)] }), /is empty/],
    [
      'a program that does not stop',
      async () => ({ files: [await put('yes', '#!/bin/sh\nexec yes 2>/dev/null\n', 0o700)] }),
      /more than 64 KiB/,
    ],
    ['an id without a file', () => Promise.resolve({ ids: ['prod@'] }), /expected LABEL@FILE/],
  ])('%s: USAGE', async (_, sources, message) => {
    const failure = await read(await sources()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'USAGE', exitStatus: 2, message: expect.stringMatching(message) });
    expect(failure instanceof BackupError && failure.reason).not.toContain('hunter2');
  });

  it('stops a program that takes long when the run is stopped', async () => {
    const program = await put('slow', '#!/bin/sh\nexec sleep 300\n', 0o700);
    const controller = new AbortController();
    const reading = read({ files: [program] }, controller.signal);
    setTimeout(() => controller.abort(new BackupError('ABORTED', 'stopped by SIGINT')), 100);
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED', message: 'stopped by SIGINT' });
  });
});
