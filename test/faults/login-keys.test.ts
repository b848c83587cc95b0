import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Host, LocalUser, Login } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import { createHostPool } from '../../packages/core/src/remote/host-pool.js';
import { whyOpenssh } from '../../packages/core/src/remote/needs-openssh.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { connectSsh } from '../../packages/core/src/remote/ssh.js';
import { makeKey, startRealSshd } from '../support/real-sshd.js';
import type { RealSshd } from '../support/real-sshd.js';
import { rejection, trusting } from '../support/sample-remote.js';
import { startAgent } from '../support/ssh-agent.js';

// Logging in with keys, to an sshd of OpenSSH on this machine.

const passphrase = 'correct horse';
let directory: string;
let sshd: RealSshd;
let user: LocalUser;
const file = (name: string): string => path.join(directory, name);

/** Of `plain`, as OpenSSL writes them. */
const otherFormats = {
  'rsa-pkcs1': ['-t', 'rsa', '-b', '2048', '-m', 'PEM'],
  'rsa-pkcs8': ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8'],
  ecdsa: ['-t', 'ecdsa'],
  'ecdsa-sec1': ['-t', 'ecdsa', '-m', 'PEM'],
  'rsa-pkcs1-locked': ['-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', passphrase],
  'rsa-pkcs8-locked': ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8', '-N', passphrase],
  locked: ['-N', passphrase],
  'locked-rsa': ['-t', 'rsa', '-b', '2048', '-N', passphrase],
};
const strangers = ['stranger1', 'stranger2', 'stranger3', 'stranger4'];

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-login-'));
  await makeKey(file('plain'));
  for (const name of strangers) await makeKey(file(name));
  for (const [name, options] of Object.entries(otherFormats)) await makeKey(file(name), ...options);
  const names = ['plain', ...Object.keys(otherFormats)];
  const keys = await Promise.all(names.map((name) => readFile(file(`${name}.pub`), 'utf8')));
  sshd = await startRealSshd({ authorizedKeys: keys.join(''), settings: ['MaxAuthTries 3'] });
  await writeFile(file('known_hosts'), sshd.knownHostsLine);
  user = { name: os.userInfo().username, homeDirectory: directory };
}, 60_000);

afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const host = (change: Partial<Login>, name = 'web1'): Host => ({
  name,
  groups: [],
  variables: {},
  connection: {
    ...plainConnection('127.0.0.1'),
    port: sshd.port,
    become: undefined,
    hostKeys: trusting(file('known_hosts')),
    ...change,
  },
});
const keys = (...names: readonly string[]): Partial<Login> => ({ identityFiles: names.map(file) });

async function connected(remote: Promise<RemoteHost>): Promise<string> {
  await using open = await remote;
  return open.facts.hostname;
}
const logIn = (change: Partial<Login>, who: Partial<LocalUser> = {}): Promise<string> =>
  connected(connectSsh(host(change), { user: { ...user, ...who } }));

describe('a private key in a file', () => {
  it.each(['plain', ...Object.keys(otherFormats).filter((name) => !name.includes('locked'))])('%s', async (name) => {
    expect(await logIn(keys(name))).not.toBe('');
  });

  it.each(Object.keys(otherFormats).filter((name) => name.includes('locked')))('%s, encrypted', async (name) => {
    const secret = new Secret(passphrase);
    expect(await logIn({ ...keys(name), passphrase: secret })).not.toBe('');
    expect(await logIn(keys(name), { passphrase: () => Promise.resolve(secret) })).not.toBe('');
    const wrong = new Secret('wrong');
    const refused = await rejection(logIn({ ...keys(name), passphrase: wrong }));
    expect(refused).toMatchObject({
      code: 'HOST_KEY_FILE',
      host: 'web1',
      message: `web1: the passphrase that was given for the key ${file(name)} is wrong`,
    });
    expect(await rejection(logIn(keys(name)))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: `web1: the key ${file(name)} needs a passphrase`,
      hint: expect.stringContaining('ssh-add'),
    });
  });

  it('asks for a passphrase once in a run, however many hosts there are', async () => {
    const asked: string[] = [];
    const passphraseOf = (name: string): Promise<Secret> => {
      asked.push(name);
      return Promise.resolve(new Secret(passphrase));
    };
    await using pool = createHostPool({ user: { ...user, passphrase: passphraseOf } });
    const hosts = ['a', 'b', 'c', 'd'].map((name) => host(keys('locked'), name));
    await Promise.all(hosts.map((one) => pool.get(one)));
    expect(asked).toEqual([file('locked')]);
  });

  it('asks for none while another key is taken', async () => {
    const passphraseOf = (): never => {
      throw new Error('asked');
    };
    expect(await logIn(keys('plain', 'locked'), { passphrase: passphraseOf })).not.toBe('');
    // The server does not take this one, and says so before anybody is asked.
    await makeKey(file('foreign'), '-N', passphrase);
    expect(await logIn(keys('foreign', 'plain'), { passphrase: passphraseOf })).not.toBe('');
  });

  it('says itself whose it is only when it is open: a format of OpenSSL without the public key beside it', async () => {
    await copyFile(file('rsa-pkcs1-locked'), file('alone'));
    await chmod(file('alone'), 0o600);
    expect(await logIn({ ...keys('alone'), passphrase: new Secret(passphrase) })).not.toBe('');
    expect(await rejection(logIn({ ...keys('alone'), passphrase: new Secret('wrong') }))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: expect.stringContaining('is wrong'),
    });
  });

  it('outlasts a server that does not wait for the person who is asked', async () => {
    const authorizedKeys = await readFile(file('locked.pub'), 'utf8');
    await using hasty = await startRealSshd({ authorizedKeys, settings: ['LoginGraceTime 2'] });
    await writeFile(file('known_hasty'), hasty.knownHostsLine);
    let asked = 0;
    const passphraseOf = async (): Promise<Secret> => {
      asked += 1;
      await delay(2500);
      return new Secret(passphrase);
    };
    const way = { ...keys('locked'), port: hasty.port, hostKeys: trusting(file('known_hasty')) };
    expect(await logIn(way, { passphrase: passphraseOf })).not.toBe('');
    expect(asked).toBe(1);
  });

  it('may be one of two that a server wants', async () => {
    const authorizedKeys = (await readFile(file('plain.pub'), 'utf8')) + (await readFile(file('ecdsa.pub'), 'utf8'));
    await using strict = await startRealSshd({
      authorizedKeys,
      settings: ['AuthenticationMethods publickey,publickey'],
    });
    await writeFile(file('known_strict'), strict.knownHostsLine);
    const way = { port: strict.port, hostKeys: trusting(file('known_strict')) };
    expect(await logIn({ ...keys('plain', 'stranger1', 'ecdsa'), ...way })).not.toBe('');
    expect(await rejection(logIn({ ...keys('plain'), ...way }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('plain (accepted, but not enough); the server takes: publickey'),
    });
  });

  it('is passed over when another one is good', async () => {
    expect(await logIn(keys('missing', 'known_hosts', 'plain'))).not.toBe('');
  });

  it('is told apart when it cannot be used', async () => {
    await copyFile(file('plain'), file('open'));
    await chmod(file('open'), 0o640);
    expect(await rejection(logIn(keys('open')))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: `web1: the key ${file('open')} can be read by others (mode 0640), so it is not used`,
      hint: `chmod 600 ${file('open')}`,
    });
    await writeFile(file('putty'), 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n', { mode: 0o600 });
    expect(await rejection(logIn(keys('putty')))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: expect.stringContaining("PuTTY's format"),
      hint: expect.stringContaining('puttygen'),
    });
    expect(await rejection(logIn(keys('plain.pub')))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: expect.stringContaining('is a public key'),
    });
    expect(await rejection(logIn(keys('known_hosts')))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: expect.stringContaining('is not a private key that can be used'),
    });
    expect(await rejection(logIn({ identityFiles: [directory] }))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: expect.stringContaining('EISDIR'),
    });
    const text = await readFile(file('locked'), 'utf8');
    await writeFile(file('cut'), text.slice(0, 300), { mode: 0o600 });
    expect(await rejection(logIn({ ...keys('cut'), passphrase: new Secret(passphrase) }))).toMatchObject({
      code: 'HOST_KEY_FILE',
    });
  });

  it('is one of the usual ones where none is named', async () => {
    await rm(path.join(directory, '.ssh'), { recursive: true, force: true });
    execFileSync('mkdir', [path.join(directory, '.ssh')]);
    await copyFile(file('ecdsa'), path.join(directory, '.ssh/id_ecdsa'));
    await chmod(path.join(directory, '.ssh/id_ecdsa'), 0o600);
    expect(await logIn({ identityFiles: undefined })).not.toBe('');
    await rm(path.join(directory, '.ssh'), { recursive: true });
  });
});

describe('an agent', () => {
  it('logs in, also with a key that is encrypted in its file', async () => {
    await using agent = await startAgent();
    await copyFile(file('locked'), file('unlocked'));
    await chmod(file('unlocked'), 0o600);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', passphrase, '-N', '', '-f', file('unlocked')]);
    await agent.add(file('unlocked'), file('rsa-pkcs1'));
    const passphraseOf = (): never => {
      throw new Error('asked');
    };
    const who = { agentSocket: agent.socket, passphrase: passphraseOf };
    expect(await logIn({ ...keys('locked'), identitiesOnly: true }, who)).not.toBe('');
    expect(await logIn({ ...keys('locked.pub'), identitiesOnly: true }, who)).not.toBe('');
    expect(await logIn({ ...keys('rsa-pkcs1'), identitiesOnly: true }, who)).not.toBe('');
    // A socket of the host's own goes before that of the user.
    expect(await logIn({ ...keys('locked'), agentSocket: agent.socket }, { agentSocket: '/nonexistent' })).not.toBe('');
    expect(
      await rejection(logIn({ ...keys('locked'), agentSocket: 'none' }, { agentSocket: agent.socket })),
    ).toMatchObject({
      code: 'HOST_KEY_FILE',
    });
  });

  it('does not use up the tries that a server grants, when only the named keys are offered', async () => {
    await using agent = await startAgent();
    await agent.add(...strangers.map(file), file('plain'));
    const who = { agentSocket: agent.socket };
    expect(await rejection(logIn({ identityFiles: undefined }, who))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringMatching(/tried: the agent's key stranger1, .*Too many authentication failures/),
      hint: expect.stringContaining('IdentitiesOnly'),
    });
    expect(await logIn({ ...keys('plain'), identitiesOnly: true }, who)).not.toBe('');
    // As ssh does: a key that is named goes first, wherever in the agent it is.
    expect(await logIn(keys('plain'), who)).not.toBe('');
  });

  it('that does not answer is named when nothing else logs in', async () => {
    const error = await rejection(logIn({ identityFiles: undefined }, { agentSocket: file('nobody') }));
    expect(error).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringMatching(/SSH agent at .*nobody.*ENOENT/),
    });
    expect(await logIn(keys('plain'), { agentSocket: file('nobody') })).not.toBe('');
  });
});

describe('what only the system ssh can do', () => {
  it('is said where a certificate lies beside the key', async () => {
    await makeKey(file('authority'));
    await makeKey(file('certified'));
    execFileSync('ssh-keygen', ['-q', '-s', file('authority'), '-I', 'me', '-n', user.name, file('certified.pub')]);
    const error = await rejection(logIn(keys('certified')));
    expect(error).toMatchObject({ code: 'HOST_AUTH' });
    expect(whyOpenssh(error)).toContain('certified-cert.pub');
    await using agent = await startAgent();
    await agent.add(file('certified'));
    expect(whyOpenssh(await rejection(logIn({ identityFiles: [] }, { agentSocket: agent.socket })))).toContain(
      '-cert-v01',
    );
    expect(whyOpenssh(await rejection(logIn(keys('stranger1'))))).toBeUndefined();
  });

  it('is said where a server has no key exchange in common with us', async () => {
    const settings = ['KexAlgorithms sntrup761x25519-sha512@openssh.com'];
    await using modern = await startRealSshd({ authorizedKeys: '', settings });
    await writeFile(file('known_modern'), modern.knownHostsLine);
    const error = await rejection(
      logIn({ ...keys('plain'), port: modern.port, hostKeys: trusting(file('known_modern')) }),
    );
    expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', message: expect.stringContaining('key exchange') });
    expect(whyOpenssh(error)).toContain('key exchange');
  });

  it('is said where the options leave us nothing', async () => {
    const algorithms = { ciphers: undefined, keyExchange: undefined, macs: 'umac-64@openssh.com', hostKeys: undefined };
    const error = await rejection(logIn({ ...keys('plain'), algorithms }));
    expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', message: expect.stringContaining('MACs') });
    expect(whyOpenssh(error)).toContain('MACs');
  });
});
