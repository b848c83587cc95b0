import { EventEmitter, once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { rejection, sampleRemote, trusting } from '../../../../test/support/sample-remote.js';
import { encryptedKey } from './login/encrypted-key.test-support.js';
import { createHostPool } from './host-pool.js';
import { connectSsh } from './ssh.js';
import { whyOpenssh } from './needs-openssh.js';
import { generateKey } from '../../../../test/support/ssh-server.mjs';

describe('connecting', () => {
  it('tries again when the server drops the connection before it says anything', async () => {
    await using sample = await sampleRemote({ dropConnections: 3 });
    const remote = await sample.connect();
    expect((await remote.run({ argv: ['echo', 'in'] })).stdout.toString()).toBe('in\n');
    expect(sample.server.connections).toBe(4);
  });

  it('gives up on a server that always does', async () => {
    await using sample = await sampleRemote({ dropConnections: 1000 });
    expect(await rejection(sample.connect())).toMatchObject({ code: 'HOST_UNREACHABLE', retryable: true });
  });

  it('says that a host is down, without trying again', async () => {
    await using sample = await sampleRemote();
    await sample.server.close();
    const error = await rejection(sample.connect());
    expect(error).toMatchObject({
      code: 'HOST_UNREACHABLE',
      host: 'sample1',
      message: expect.stringContaining(String(sample.server.port)),
    });
  });

  it('refuses a host whose key is not known, or is another, and says the fingerprints', async () => {
    await using sample = await sampleRemote();
    const none = path.join(sample.directory, 'none');
    const unknown = await rejection(sample.connect({ hostKeys: trusting(none) }));
    expect(unknown).toMatchObject({
      code: 'HOST_KEY',
      hint: expect.stringMatching(/ add this line to \/.*none: \[127/),
    });
    expect(String(unknown)).toContain(sample.server.fingerprint);
    const file = path.join(sample.directory, 'changed');
    const [name] = sample.server.knownHostsLine.split(' ');
    await writeFile(file, `${name} ${generateKey().publicKey}\n`);
    const changed = await rejection(sample.connect({ hostKeys: trusting(file) }));
    expect(changed).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/changed: .*SHA256:.*SHA256:.*changed:1/),
      hint: expect.stringContaining('ssh-keygen -R'),
    });
    expect(sample.server.commands).toEqual([]);
  });

  it('says that the system ssh could check a certificate of the host', async () => {
    await using sample = await sampleRemote();
    const file = path.join(sample.directory, 'authority');
    await writeFile(file, `@cert-authority * ${generateKey().publicKey}\n`);
    const connection = { ...sample.host.connection, hostKeys: trusting(file) };
    const error = await rejection(connectSsh({ ...sample.host, connection }, { user: sample.user }));
    expect(error).toMatchObject({ code: 'HOST_KEY', host: 'sample1' });
    expect(whyOpenssh(error)).toContain('certificate authority');
  });

  it('tells nobody to add a key to no file', async () => {
    await using sample = await sampleRemote();
    for (const files of [['/dev/null'], []])
      expect(await rejection(sample.connect({ hostKeys: trusting(...files) }))).toMatchObject({
        code: 'HOST_KEY',
        message: expect.stringContaining('no file of known hosts is in use'),
        hint: expect.not.stringContaining('>>'),
      });
  });

  it('refuses keys that the server does not take, with what it tried', async () => {
    await using sample = await sampleRemote();
    const file = path.join(sample.directory, 'other');
    await writeFile(file, generateKey().privateKey, { mode: 0o600 });
    expect(await rejection(sample.connect({ identityFiles: [file] }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining(file),
    });
    expect(await rejection(sample.connect({ identityFiles: undefined }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('no key was found'),
    });
  });

  it('refuses key files that are missing, no key, the public one, or encrypted', async () => {
    await using sample = await sampleRemote();
    const file = path.join(sample.directory, 'bad');
    expect(await rejection(sample.connect({ identityFiles: [file] }))).toMatchObject({
      code: 'HOST_KEY_FILE',
      message: `sample1: cannot read the key ${file}: no such file or directory (ENOENT)`,
    });
    await writeFile(file, 'this is no key', { mode: 0o600 });
    expect(await rejection(sample.connect({ identityFiles: [file] }))).toMatchObject({
      code: 'HOST_KEY_FILE',
      hint: expect.stringContaining('ansible_ssh_private_key_file'),
    });
    await writeFile(file, generateKey().publicKey);
    expect(await rejection(sample.connect({ identityFiles: [file] }))).toMatchObject({
      code: 'HOST_KEY_FILE',
      hint: expect.stringContaining('without .pub'),
    });
    await writeFile(file, encryptedKey);
    expect(await rejection(sample.connect({ identityFiles: [file] }))).toMatchObject({
      code: 'HOST_KEY_FILE',
      hint: expect.stringContaining('ssh-add'),
    });
  });

  it('stops when it is aborted', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const signal = AbortSignal.abort(new Error('no'));
    expect(await rejection(remote.run({ argv: ['true'] }, { signal }))).toMatchObject({ code: 'ABORTED' });
  });

  it('forwards nothing through a jump host whose key is not the known one, whatever is checked', async () => {
    await using jumpHost = await sampleRemote();
    await using target = await sampleRemote();
    const jump = { ...jumpHost.host.connection, hostKeys: await jumpHost.changedKey() };
    expect(await rejection(target.connect({ jumps: [jump] }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/: jump host .* port \d+: host key changed: .* nothing is forwarded through such/),
    });
    expect(target.server.connections).toBe(0);
  });

  it('waits its turn at a jump host without losing time, while hosts that say nothing use up theirs', async () => {
    const ports = [1, 2, 3, 4, 5, 6, 7, 8];
    const asked = new EventEmitter();
    const allAsked = Promise.all(ports.map((port) => once(asked, String(port))));
    await using jumpHost = await sampleRemote({ answersForward: (port) => !asked.emit(String(port)) });
    await using target = await sampleRemote();
    const jumps = [jumpHost.host.connection];
    await using pool = createHostPool({ user: target.user });
    const silent = ports.map((port) => {
      const connection = { ...target.host.connection, jumps, port, connectSeconds: 3 };
      return rejection(pool.get({ ...target.host, name: `silent${String(port)}`, connection }));
    });
    await allAsked;
    const connection = { ...target.host.connection, jumps, connectSeconds: 2 };
    const remote = await pool.get({ ...target.host, connection });
    expect(remote.facts.sshFingerprint).toBe(target.server.fingerprint);
    for (const error of await Promise.all(silent))
      expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', message: expect.stringContaining('within 3 s') });
  });
});
