import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKey } from '../../../../test/support/ssh-server.mjs';
import { plainHostKeyPolicy, plainLogin } from '../cluster/connection/plain-connection.js';
import { addKnownHost, readKnownHosts } from './known-hosts-files.js';
import { knownName } from './known-hosts.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-known-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const user = () => ({ name: 'me', homeDirectory: home });
const name = knownName(plainLogin('db1'));
const publicKey = generateKey().publicKey.split(' ').slice(0, 2).join(' ');
const bytes = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');

describe('readKnownHosts', () => {
  it('reads the files of ssh where the policy names none, and takes a missing one for an empty one', async () => {
    const known = await readKnownHosts({ ...plainHostKeyPolicy, globalFiles: [] }, user());
    expect(known).toEqual({
      entries: [],
      revoked: undefined,
      files: [`${home}/.ssh/known_hosts`, `${home}/.ssh/known_hosts2`],
      additions: `${home}/.ssh/known_hosts`,
    });
  });

  it('adds nothing where there is no file to add to', async () => {
    for (const userFiles of [[], ['/dev/null']])
      expect(await readKnownHosts({ ...plainHostKeyPolicy, userFiles }, user())).toMatchObject({
        additions: undefined,
      });
  });

  it('refuses a file that it cannot read', async () => {
    await expect(readKnownHosts({ ...plainHostKeyPolicy, userFiles: ['/'] }, user())).rejects.toMatchObject({
      code: 'HOST_KEY',
      message: 'cannot read the known hosts file /: illegal operation on a directory (EISDIR)',
    });
  });

  it('reads revoked keys, and refuses a file of them that is missing, binary, or no list of keys', async () => {
    const revokedFile = path.join(home, 'revoked');
    const read = () => readKnownHosts({ ...plainHostKeyPolicy, revokedFile }, user());
    await expect(read()).rejects.toMatchObject({ code: 'HOST_KEY', message: expect.stringContaining('ENOENT') });
    await writeFile(revokedFile, `# stolen\n${publicKey} of db1\n\n`);
    expect((await read()).revoked).toEqual({ file: revokedFile, keys: [bytes] });
    await writeFile(revokedFile, 'SSHKRL\n\0binary');
    await expect(read()).rejects.toMatchObject({ code: 'HOST_KEY', hint: expect.stringContaining('openssh') });
    await writeFile(revokedFile, `${publicKey}\nnonsense\n`);
    await expect(read()).rejects.toMatchObject({
      code: 'HOST_KEY',
      message: `${revokedFile}: entry 2 is not a public key`,
    });
  });
});

describe('addKnownHost', () => {
  it('makes the directory for its owner alone, and begins a new line after a file that does not end with one', async () => {
    const file = path.join(home, 'new', 'known_hosts');
    await addKnownHost(file, bytes, { name, hash: false });
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
    await writeFile(file, 'other');
    await addKnownHost(file, bytes, { name, hash: false });
    await addKnownHost(file, bytes, { name, hash: false });
    expect(await readFile(file, 'utf8')).toBe(`other\ndb1 ${publicKey}\ndb1 ${publicKey}\n`);
  });

  it.each(['', 'other\n', 'other'])('adds a line each when called at once for a file with %j', async (content) => {
    const file = path.join(home, 'at-once');
    await writeFile(file, content);
    const names = Array.from({ length: 20 }, (_, index) => `host${String(index)}`);
    await Promise.all(
      names.map((host) => addKnownHost(file, bytes, { name: knownName(plainLogin(host)), hash: false })),
    );
    const lines = (await readFile(file, 'utf8')).split('\n');
    expect(lines.pop()).toBe('');
    const before = content === '' ? [] : ['other'];
    expect(lines.toSorted()).toEqual([...before, ...names.map((host) => `${host} ${publicKey}`)].toSorted());
  });
});
