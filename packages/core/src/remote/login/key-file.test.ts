import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generateKey } from '../../../../../test/support/ssh-server.mjs';
import { Secret } from '../../model/secret.js';
import { encryptedKey } from './encrypted-key.test-support.js';
import { readKeyFile } from './key-file.js';
import { KeyProblem, OpensshOnlyKey } from './key-problem.js';
import { parsePrivateKey, readOpensshHeader } from './private-key.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-key-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function keyFile(content: string, mode = 0o600) {
  const file = path.join(directory, 'key');
  await writeFile(file, content);
  await chmod(file, mode);
  return readKeyFile(file);
}

const pair = generateKey('somebody');
const publicBlob = Buffer.from(pair.publicKey.split(' ')[1]!, 'base64');

describe('readKeyFile', () => {
  it('knows a private key, and its public half from the file beside it', async () => {
    expect(await keyFile(pair.privateKey)).toMatchObject({ problem: undefined, publicBlob: undefined });
    await writeFile(path.join(directory, 'key.pub'), `${pair.publicKey}\n`);
    expect((await keyFile(pair.privateKey)).publicBlob).toEqual(publicBlob);
    // The agent may have it, whatever is wrong with the file.
    expect(await keyFile(pair.privateKey, 0o604)).toMatchObject({
      publicBlob,
      privateKey: undefined,
      problem: expect.objectContaining({ message: expect.stringContaining('mode 0604') }),
    });
    await rm(path.join(directory, 'key.pub'));
  });

  it('takes a public key for what it is, whoever may read it', async () => {
    expect(await keyFile(`${pair.publicKey}\n`, 0o644)).toMatchObject({
      publicBlob,
      problem: expect.objectContaining({ message: expect.stringContaining('is a public key') }),
    });
  });

  it('reads the half of an OpenSSH key that is not encrypted', async () => {
    const found = await keyFile(encryptedKey);
    expect(found.privateKey?.isEncrypted).toBe(true);
    expect(found.publicBlob?.toString('base64')).toMatch(/^AAAAC3NzaC1lZDI1NTE5/);
  });

  it('says that a hardware token is needed', async () => {
    const { problem } = await keyFile(opensshKey(wire('sk-ssh-ed25519@openssh.com')), 0o600);
    expect(problem).toBeInstanceOf(OpensshOnlyKey);
    expect(problem?.message).toContain('sk-ssh-ed25519@openssh.com');
  });

  it.each([
    ['a DSA key', '-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n', 'DSA'],
    ["PuTTY's", 'PuTTY-User-Key-File-2: ssh-rsa\n', 'PuTTY'],
    ['nothing', '', 'is not a private key'],
    [
      'an OpenSSH key without content',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n',
      'is not a',
    ],
    ['a certificate of TLS', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'is not a private key'],
  ])('has a problem with %s', async (_, content, message) => {
    expect((await keyFile(content)).problem?.message).toContain(message);
  });

  it('is not held up by a file without end', async () => {
    expect((await readKeyFile('/dev/zero')).problem?.message).toContain('/dev/zero is not a private key');
  });
});

describe('a private key that is damaged', () => {
  it('is a problem, and never more than that', async () => {
    const texts = [pair.privateKey, encryptedKey];
    const damage = fc.tuple(fc.constantFrom(...texts), fc.nat(), fc.nat(300), fc.string({ maxLength: 20 }));
    await fc.assert(
      fc.asyncProperty(damage, async ([text, at, length, other]) => {
        const start = at % text.length;
        const damaged = text.slice(0, start) + other + text.slice(start + length);
        readOpensshHeader(damaged);
        // Without a passphrase: opening one takes half a second.
        const key = { content: Buffer.from(damaged), isEncrypted: false };
        await parsePrivateKey('key', key).catch((error: unknown) => expect(error).toBeInstanceOf(KeyProblem));
      }),
      { numRuns: 300 },
    );
  });

  it('is told from a wrong passphrase', async () => {
    const key = { content: Buffer.from(encryptedKey), isEncrypted: true };
    await expect(parsePrivateKey('key', key, new Secret('wrong'))).rejects.toThrow('the passphrase that was given');
  });
});

function wire(...fields: readonly string[]): Buffer {
  return Buffer.concat(
    fields.map((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return Buffer.concat([length, Buffer.from(field, 'latin1')]);
    }),
  );
}

function opensshKey(publicKey: Buffer): string {
  const one = Buffer.from([0, 0, 0, 1]);
  const bytes = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    wire('none', 'none', ''),
    one,
    wire(publicKey.toString('latin1'), 'private'),
  ]);
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
