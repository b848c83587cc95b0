import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { temporaryDirectory } from '../../../../test/support/lsbackup.js';
import { drain, rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { generateKey } from '../../../../test/support/ssh-server.mjs';
import type { Fault } from '../../../../test/support/ssh-server.mjs';

const bytes = (count: number) => ({ argv: ['head', '-c', String(count), '/dev/zero'] });
/** The command that gathers facts stays whole; every other has the fault. */
const faulty = (fault: Fault) => ({ faults: (line: string) => (line.includes('machineId') ? undefined : fault) });

describe('a command on a host', () => {
  it('gives its output, its standard error and its status', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const output = await remote.run({ argv: ['sh', '-c', 'printf "a b"; echo "it\'s" >&2; exit 3'], accept: [0, 3] });
    expect(output).toEqual({ stdout: Buffer.from('a b'), stderr: "it's\n", status: 3 });
    expect(remote.facts).toMatchObject({
      loginIsRoot: process.getuid?.() === 0,
      tar: 'gnu',
      sshFingerprint: sample.server.fingerprint,
    });
    expect(remote.facts.hostname).not.toBe('');
  });

  it('fails with host, command and standard error when the status is not accepted', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const error = await rejection(remote.run({ argv: ['sh', '-c', 'echo broken >&2; exit 4'] }));
    expect(error).toMatchObject({ code: 'COMMAND_FAILED', host: 'sample1' });
    expect(String(error)).toMatch(/sample1: sh -c .* ended with status 4: broken/);
    expect(await rejection(remote.run({ argv: ['no-such-program'] }))).toMatchObject({ code: 'COMMAND_FAILED' });
    expect(await rejection(remote.run({ argv: ['true'], cwd: '/no/such' }))).toMatchObject({
      message: expect.stringContaining('was not started'),
    });
  });

  it('takes input, and sees its end', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    expect((await remote.run({ argv: ['wc', '-c'] }, { input: Buffer.alloc(100_000) })).stdout.toString().trim()).toBe(
      '100000',
    );
    const file = path.join(sample.directory, 'written');
    await remote.write(
      { argv: ['sh', '-c', 'cat > "$1"', 'sh', file] },
      Readable.from([Buffer.from('one '), Buffer.from('two')]),
    );
    expect(await readFile(file, 'utf8')).toBe('one two');
  });

  it('never lets a command take broken input for complete input', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const file = path.join(sample.directory, 'done');
    const breaks = Readable.from(
      (async function* () {
        yield Buffer.alloc(1000);
        await delay(100);
        throw new Error('source broke');
      })(),
    );
    const error = await rejection(
      remote.write({ argv: ['sh', '-c', 'cat >/dev/null; echo complete > "$1"', 'sh', file] }, breaks),
    );
    expect(error).toMatchObject({ message: expect.stringContaining('source broke') });
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('does not run a command to its end that is aborted before it began', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const file = path.join(sample.directory, 'empty');
    const process = await remote.start({ argv: ['sh', '-c', 'cat >/dev/null; echo complete > "$1"', 'sh', file] });
    await process[Symbol.asyncDispose]();
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(sample.server.running).toBe(0);
  });

  it('reports a command that ends before it took its input', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65_536);
      })(),
    );
    const error = await rejection(
      remote.write({ argv: ['sh', '-c', 'head -c 10 >/dev/null; echo no space >&2; exit 5'] }, endless),
    );
    expect(error).toMatchObject({ code: 'COMMAND_FAILED', message: expect.stringContaining('no space') });
    expect(endless.destroyed).toBe(true);
  });

  it('can be talked to', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    await using talk = await remote.start({ argv: ['sh', '-c', 'while read -r line; do echo "got $line"; done'] });
    talk.stdin.write('one\n');
    expect(String((await once(talk.stdout, 'data'))[0])).toBe('got one\n');
    talk.stdin.end('two\n');
    talk.stdout.resume();
    expect(await talk.exit).toBe(0);
  });

  it('is bounded in time and in output', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    expect(await rejection(remote.run({ argv: ['sleep', '60'], deadline: 0.3 }))).toMatchObject({
      code: 'COMMAND_TIMEOUT',
    });
    expect(await rejection(remote.run(bytes(5000), { maximumBytes: 1000 }))).toMatchObject({
      message: expect.stringContaining('more than 1000 bytes'),
    });
    expect(sample.server.running).toBe(0);
  });

  it('is ended on the host when it is aborted, before the error is seen', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    for (const argv of [['sleep', '60'], ['yes']]) {
      const controller = new AbortController();
      const stream = await remote.read({ argv }, { signal: controller.signal });
      setTimeout(() => controller.abort(new Error('changed my mind')), 200);
      const { error } = await drain(stream);
      expect(error).toMatchObject({ code: 'ABORTED', cause: expect.objectContaining({ message: 'changed my mind' }) });
      expect(sample.server.running).toBe(0);
    }
  });

  it('is ended when its reader stops', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const stream = await remote.read({ argv: ['yes'] });
    for await (const chunk of stream) {
      expect((chunk as Buffer).length).toBeGreaterThan(0);
      break;
    }
    await remote.run({ argv: ['true'] });
    expect(sample.server.running).toBe(0);
  });

  it('is ended when its process is disposed of, also while it reads standard input', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const process = await remote.start({ argv: ['sleep', '60'] });
    await delay(200);
    await process[Symbol.asyncDispose]();
    expect(await rejection(process.exit)).toMatchObject({ code: 'ABORTED' });
    expect(sample.server.running).toBe(0);
  });

  it('waits for a free session, and helpers need not wait for streams', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const controller = new AbortController();
    const { signal } = controller;
    const streams = Array.from({ length: 10 }, () =>
      remote.read({ argv: ['sleep', '60'] }, { signal }).then(drain, (error: unknown) => ({ error })),
    );
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => remote.run({ argv: ['echo', String(index)] })),
    );
    expect(answers.map(({ stdout }) => Number(stdout.toString()))).toEqual(
      Array.from({ length: 12 }, (_, index) => index),
    );
    controller.abort();
    for (const { error } of await Promise.all(streams)) expect(error).toMatchObject({ code: 'ABORTED' });
  });

  it('manages with a server that allows fewer sessions than usual', async () => {
    await using sample = await sampleRemote({ maximumSessions: 2 });
    const remote = await sample.connect();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => remote.run({ argv: ['sh', '-c', 'sleep 0.02; echo ok'] })),
    );
    expect(answers.map(({ stdout }) => stdout.toString())).toEqual(Array.from({ length: 10 }, () => 'ok\n'));
  });

  it('has room for streams and helpers beside all sessions that may be held', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const held = await Promise.all(Array.from({ length: 4 }, () => remote.start({ argv: ['cat'] })));
    const refused = await rejection(remote.start({ argv: ['cat'], deadline: 0.3 }));
    expect(refused).toMatchObject({ code: 'CHANNEL_REFUSED', host: 'sample1' });
    expect(await drain(await remote.read(bytes(1000)))).toEqual({ bytes: 1000, error: undefined });
    expect((await remote.run({ argv: ['echo', 'in'] })).stdout.toString()).toBe('in\n');
    await Promise.all(held.map((process) => process[Symbol.asyncDispose]()));
  });

  it('fails within its deadline when a held session is the only one that the server allows', async () => {
    await using sample = await sampleRemote({ maximumSessions: 1 });
    const remote = await sample.connect();
    await using held = await remote.start({ argv: ['cat'] });
    const late = { argv: ['echo', 'in'], deadline: 0.5 };
    const attempts = [() => remote.run(late), () => remote.read(late), () => remote.write(late, Readable.from([]))];
    for (const attempt of attempts)
      expect(await rejection(attempt())).toMatchObject({
        code: 'CHANNEL_REFUSED',
        host: 'sample1',
        message: expect.stringContaining('sample1: no SSH session was free within 0.5 s for echo in'),
        hint: 'Raise MaxSessions in sshd_config on sample1 (10 is the default).',
      });
    held.stdin.end();
    held.stdout.resume();
    await held.exit;
    expect((await remote.run({ argv: ['echo', 'in'] })).stdout.toString()).toBe('in\n');
  });

  it('counts the wait for a session in the deadline of a command', async () => {
    await using sample = await sampleRemote({ maximumSessions: 1 });
    const remote = await sample.connect();
    await using held = await remote.start({ argv: ['cat'] });
    held.stdout.resume();
    setTimeout(() => held.stdin.end(), 1000);
    const began = performance.now();
    expect(await rejection(remote.run({ argv: ['sleep', '60'], deadline: 2 }))).toMatchObject({
      code: 'COMMAND_TIMEOUT',
    });
    // Not 3 s: the second that it waited is gone.
    expect(performance.now() - began).toBeLessThan(2700);
  });

  it('uses all that a server with fewer sessions allows, after it was refused', async () => {
    await using sample = await sampleRemote({ maximumSessions: 4 });
    const remote = await sample.connect();
    await using held = await remote.start({ argv: ['cat'] });
    const work = Array.from({ length: 8 }, (_, index) =>
      index % 2 === 0 ? remote.run({ argv: ['echo', 'in'] }) : remote.read(bytes(10)).then(drain),
    );
    expect(await Promise.all(work)).toHaveLength(8);
    held.stdin.end();
    held.stdout.resume();
    expect(await held.exit).toBe(0);
  });
});

/** The number in the file once it has stopped to grow. */
async function settled(file: string): Promise<number> {
  for (let before = -1; ;) {
    await delay(500);
    const now = Number(await readFile(file, 'utf8'));
    if (now === before) return now;
    before = now;
  }
}

describe('the exit gate', () => {
  const cuts: readonly (readonly [string, Fault, string])[] = [
    ['the connection is cut before the first byte', { cutAfter: 0 }, 'STREAM_CUT'],
    ['the connection is cut after one byte', { cutAfter: 1 }, 'STREAM_CUT'],
    ['the connection is cut in the middle', { cutAfter: 200_000 }, 'STREAM_CUT'],
    ['the connection is cut after the last byte', { cutAfter: 300_000 }, 'STREAM_CUT'],
    [
      'status 0 came, but the connection was cut before the end of the data',
      { cutAfter: 200_000, statusBeforeCut: 0 },
      'STREAM_CUT',
    ],
    ['no status comes', { noExitStatus: true }, 'STREAM_CUT'],
    ['the command is ended by a signal', { exitSignal: 'KILL' }, 'COMMAND_FAILED'],
    ['the command ends with a status that is not accepted', { exitStatus: 2 }, 'COMMAND_FAILED'],
    ['the command ends in the middle with status 2', { endAfter: 1000, exitStatus: 2 }, 'COMMAND_FAILED'],
    ['the login shell prints without end', { banner: 'x'.repeat(100_000) }, 'STREAM_BANNER'],
  ];

  it.each(cuts)('fails when %s', async (_name, fault, code) => {
    await using sample = await sampleRemote(faulty(fault));
    const remote = await sample.connect();
    const { bytes: received, error } = await drain(await remote.read(bytes(300_000)));
    expect(error).toMatchObject({
      code,
      host: 'sample1',
      message: expect.stringContaining('head -c 300000 /dev/zero'),
    });
    expect(received).toBeLessThanOrEqual(300_000);
  });

  it.each<readonly [string, Fault]>([
    ['a banner before the data', { banner: 'Welcome to sample1\n' }],
    ['a banner that ends in the middle of a line', { banner: 'Welcome' }],
    ['noise on standard error', { errorBanner: 'bash: warning: setlocale\n' }],
    ['8 MB on standard error', { errorFlood: 8_000_000 }],
  ])('passes the data whole in spite of %s', async (_name, fault) => {
    await using sample = await sampleRemote(faulty(fault));
    const remote = await sample.connect();
    expect(await drain(await remote.read(bytes(300_000)))).toEqual({ bytes: 300_000, error: undefined });
  });

  it('fails `run` and `exit` the same way', async () => {
    await using sample = await sampleRemote(faulty({ cutAfter: 3 }));
    const remote = await sample.connect();
    expect(await rejection(remote.run({ argv: ['echo', 'something'] }))).toMatchObject({ code: 'STREAM_CUT' });
    expect(await rejection(remote.run({ argv: ['true'] }))).toMatchObject({ code: 'STREAM_CUT' });
    expect(await rejection(remote.connect({ host: '127.0.0.1', port: 9 }))).toMatchObject({ code: 'STREAM_CUT' });
  });

  it('fails a stream that falls silent, but not one that we do not read', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const silent = await remote.read({ argv: ['sh', '-c', 'echo a; sleep 60'] }, { quiet: 0.5 });
    expect(await drain(silent)).toMatchObject({ bytes: 2, error: { code: 'STREAM_STALLED' } });
    const paused = await remote.read(bytes(5_000_000), { quiet: 0.5 });
    await delay(1500);
    expect(await drain(paused)).toEqual({ bytes: 5_000_000, error: undefined });
  });

  it.each([100, 100_000, 1_000_000])('gives a reader that takes its time all of %d lines', async (lines) => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const source = await remote.read({ argv: ['seq', String(lines)] });
    await delay(500);
    const received: Buffer[] = [];
    for await (const chunk of source as AsyncIterable<Buffer>) {
      received.push(chunk);
      if (received.length % 8 === 0) await delay(20);
    }
    const expected = Array.from({ length: lines }, (_, index) => `${String(index + 1)}\n`).join('');
    expect(Buffer.concat(received).equals(Buffer.from(expected))).toBe(true);
  });

  it('lets the host wait while nobody reads', async () => {
    await using sample = await sampleRemote();
    await using directory = await temporaryDirectory();
    const remote = await sample.connect();
    const progress = path.join(directory.path, 'progress');
    const script = 'i=0; while [ $i -lt 400 ]; do head -c 65536 /dev/zero; i=$((i + 1)); echo $i > "$1"; done';
    const source = await remote.read({ argv: ['sh', '-c', script, 'sh', progress] });
    // Of 25 MiB: our window, as much again in the server, and what is in pipes.
    expect(await settled(progress)).toBeLessThan(100);
    expect(await drain(source)).toEqual({ bytes: 400 * 65536, error: undefined });
  });

  it('lets the host wait while nobody reads, although it goes on to complain', async () => {
    await using sample = await sampleRemote();
    await using directory = await temporaryDirectory();
    const remote = await sample.connect();
    const progress = path.join(directory.path, 'progress');
    const script =
      'i=0; while [ $i -lt 100 ]; do head -c 262144 /dev/zero; i=$((i + 1)); echo $i >&2; echo $i > "$1"; done';
    const source = await remote.read({ argv: ['sh', '-c', script, 'sh', progress] });
    expect(await settled(progress)).toBeLessThan(25);
    expect(await drain(source)).toEqual({ bytes: 100 * 262144, error: undefined });
  });

  it('ends a stream of which much is held when its reader gives up, or the connection is lost', async () => {
    await using sample = await sampleRemote({
      faults: (line) => (line.includes('cut me') ? { cutAfter: 1_500_000 } : undefined),
    });
    const remote = await sample.connect();
    const endless = await remote.read({ argv: ['cat', '/dev/zero'] });
    await delay(500);
    endless.destroy();
    await once(endless, 'close');
    expect(await remote.run({ argv: ['pgrep', '-fx', 'cat /dev/zero'], accept: [0, 1] })).toMatchObject({ status: 1 });
    const cut = await remote.read({ argv: ['sh', '-c', ': cut me; head -c 2000000 /dev/zero'] });
    await delay(500);
    expect(await drain(cut)).toMatchObject({ error: { code: 'STREAM_CUT' } });
  });

  it('applies a tar policy, with warnings', async () => {
    await using sample = await sampleRemote();
    const remote = await sample.connect();
    const command = (status: number) => ({
      argv: ['sh', '-c', `echo data; echo "tar: ./x: file changed as we read it" >&2; exit ${status}`],
    });
    const warnings: unknown[] = [];
    const accepted = await remote.read(
      { ...command(1), accept: { tar: { mayChange: true, mayVanish: false } } },
      { warn: (warning) => warnings.push(warning) },
    );
    expect(await drain(accepted)).toMatchObject({ error: undefined });
    expect(warnings).toEqual([{ code: 'FILE_CHANGED', message: 'sample1: changed while being read: ./x' }]);
    const refused = await remote.read({ ...command(1), accept: { tar: { mayChange: false, mayVanish: true } } });
    expect(await drain(refused)).toMatchObject({ error: { code: 'TAR_FAILED' } });
    const fatal = await remote.read({ ...command(127), accept: { tar: { mayChange: true, mayVanish: true } } });
    expect(await drain(fatal)).toMatchObject({ error: { code: 'COMMAND_FAILED' } });
  });
});

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
    const unknown = await rejection(sample.connect({ knownHostsFiles: ['/dev/null'] }));
    expect(unknown).toMatchObject({ code: 'HOST_KEY', hint: expect.stringContaining('ssh-keyscan') });
    expect(String(unknown)).toContain(sample.server.fingerprint);
    const file = path.join(sample.directory, 'changed');
    const [name] = sample.server.knownHostsLine.split(' ');
    await writeFile(file, `${name} ${generateKey().publicKey}\n`);
    const changed = await rejection(sample.connect({ knownHostsFiles: [file] }));
    expect(changed).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/changed: .*SHA256:.*SHA256:.*changed:1/),
      hint: expect.stringContaining('ssh-keygen -R'),
    });
    expect(sample.server.commands).toEqual([]);
  });

  it('refuses keys that the server does not take, with what it tried', async () => {
    await using sample = await sampleRemote();
    const file = path.join(sample.directory, 'other');
    await writeFile(file, generateKey().privateKey);
    expect(await rejection(sample.connect({ privateKeyFile: file }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining(file),
    });
    expect(await rejection(sample.connect({ privateKeyFile: undefined }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('no key was found'),
    });
  });

  it('refuses key files that are missing, no key, or encrypted', async () => {
    await using sample = await sampleRemote();
    const file = path.join(sample.directory, 'bad');
    expect(await rejection(sample.connect({ privateKeyFile: file }))).toMatchObject({ code: 'HOST_KEY_FILE' });
    await writeFile(file, 'this is no key');
    expect(await rejection(sample.connect({ privateKeyFile: file }))).toMatchObject({ code: 'HOST_KEY_FILE' });
    await writeFile(file, encryptedKey);
    expect(await rejection(sample.connect({ privateKeyFile: file }))).toMatchObject({
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
});

// Made by ssh-keygen with a passphrase.
const encryptedKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBvohU7Dl
W8WHZoiy3PMDDSAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIAkjGs3llCR1Ztz6
zmb5smKkMS4yfNFwYrSB9Ah23Ob2AAAAkOq7n5X7nUX647jzxwoH06WSiEkN2DfmO8jR8q
cZ0Oo7l6VHlZqVTIDdxNNoEc1J47rR4Hri8PXE93svfeRxF4T+H8gKhynCunLJQHeCiSUe
+eB7/23dJuv+kVWu2jSwhXwuITrdRt7hjud6uYju/S8g+mDgKuHvsWB6uhOPCLz8vKLZI3
38h2TSXAzrrSYLog==
-----END OPENSSH PRIVATE KEY-----
`;
