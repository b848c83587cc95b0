import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKey } from '../../../../test/support/ssh-server.mjs';
import type { HostKeyPolicy } from '../cluster/cluster.js';
import { plainHostKeyPolicy, plainLogin } from '../cluster/connection/plain-connection.js';
import { decideHostKey } from './host-key.js';
import type { KeyDecision } from './host-key.js';
import { readKnownHosts } from './known-hosts-files.js';
import { fingerprint } from './known-hosts.js';

let directory: string;
let file: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-key-'));
  file = path.join(directory, 'known_hosts');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const publicKeys = [generateKey(), generateKey()].map(({ publicKey }) => publicKey.split(' ').slice(0, 2).join(' '));
const [own = '', other = ''] = publicKeys;
const bytes = (publicKey: string): Buffer => Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');

async function decide(
  content: string,
  strict: HostKeyPolicy['strict'],
  more: Partial<HostKeyPolicy> = {},
  isJump = false,
): Promise<KeyDecision> {
  await writeFile(file, content);
  const hostKeys = { ...plainHostKeyPolicy, userFiles: [file], globalFiles: [], strict, ...more };
  const login = { ...plainLogin('db1'), port: 2222, hostKeys };
  const known = await readKnownHosts(hostKeys, { name: 'me', homeDirectory: directory });
  return decideHostKey({ key: bytes(own), login, known, name: 'db1', isJump });
}

describe('decideHostKey', () => {
  it('says nothing about a key that is known', async () => {
    for (const strict of ['yes', 'no', 'accept-new'] as const)
      expect(await decide(`[db1]:2222 ${own}\n`, strict)).toEqual({});
  });

  it('refuses a new key, with its fingerprint and the way to make it known', async () => {
    expect(await decide('', 'yes')).toMatchObject({
      refusal: {
        code: 'HOST_KEY',
        message: expect.stringContaining(fingerprint(bytes(own))),
        hint: `Compare the fingerprint, then add this line to ${file}: [db1]:2222 ${own}`,
      },
      wantsCertificate: false,
    });
    expect(await decide(`@cert-authority * ${other}\n`, 'yes')).toMatchObject({ wantsCertificate: true });
  });

  it('gives a line under the alias of a host, and a hint that makes the key known', async () => {
    const policy = { alias: 'Database', hash: true };
    const { refusal } = await decide('', 'yes', policy);
    const line = refusal?.hint?.split(`${file}: `)[1] ?? '';
    expect(line).toBe(`database ${own}`);
    expect(await decide(`${line}\n`, 'yes', policy)).toEqual({});
  });

  it.each(['no', 'accept-new'] as const)(
    'adds a new key with StrictHostKeyChecking=%s, and says so',
    async (strict) => {
      expect(await decide('', strict)).toEqual({
        warning: {
          code: 'HOST_KEY_ADDED',
          message: expect.stringMatching(new RegExp(`SHA256:.*${strict}; it is in ${file} now$`)),
        },
      });
      expect(await readFile(file, 'utf8')).toBe(`[db1]:2222 ${own}\n`);
      await decide('', strict, { hash: true });
      expect(await readFile(file, 'utf8')).toMatch(/^\|1\|/);
    },
  );

  it('says when a key that it accepts is kept nowhere', async () => {
    expect(await decide('', 'no', { userFiles: ['/dev/null'] })).toMatchObject({
      warning: { code: 'HOST_KEY_UNCHECKED' },
    });
    const unwritable = path.join(file, 'below-a-file');
    expect(await decide('', 'no', { userFiles: [unwritable] })).toMatchObject({
      warning: {
        code: 'HOST_KEY_UNCHECKED',
        message: expect.stringContaining(`could not be added to ${unwritable}: `),
      },
    });
  });

  it.each(['yes', 'accept-new'] as const)('refuses a changed key with %s, with both fingerprints', async (strict) => {
    const decision = await decide(`[db1]:2222 ${other}\n`, strict);
    expect(decision.refusal).toMatchObject({
      code: 'HOST_KEY',
      message: `db1: host key changed: it shows ${own.split(' ')[0]} key ${fingerprint(bytes(own))}, known is ${other.split(' ')[0]} key ${fingerprint(bytes(other))} (${file}:1)`,
      hint: `If the host was installed anew, remove the old key with: ssh-keygen -R '[db1]:2222' -f ${file}`,
    });
    expect(await readFile(file, 'utf8')).toBe(`[db1]:2222 ${other}\n`);
  });

  it('accepts a changed key only with StrictHostKeyChecking=no, as doubtful', async () => {
    expect(await decide(`[db1]:2222 ${other}\n`, 'no')).toEqual({
      isDoubtful: true,
      warning: { code: 'HOST_KEY_UNCHECKED', message: expect.stringContaining('is not the known one') },
    });
  });

  it('accepts no changed key of a jump host', async () => {
    const { refusal } = await decide(`[db1]:2222 ${other}\n`, 'no', {}, true);
    expect(refusal).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/^db1: host key changed: .*:1\), and nothing is forwarded through such a host$/),
      hint: expect.stringContaining(`ssh-keygen -R '[db1]:2222' -f ${file}`),
    });
  });

  it('refuses a revoked key always', async () => {
    const revokedFile = path.join(directory, 'revoked');
    await writeFile(revokedFile, `${own}\n`);
    for (const strict of ['yes', 'no', 'accept-new'] as const) {
      expect(await decide(`@revoked * ${own}\n[db1]:2222 ${own}\n`, strict)).toMatchObject({
        refusal: { message: expect.stringContaining(`revoked (${file}:1)`) },
      });
      expect(await decide(`[db1]:2222 ${own}\n`, strict, { revokedFile })).toMatchObject({
        refusal: { message: expect.stringContaining(`revoked (${revokedFile})`) },
      });
    }
  });
});
