import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { drain, rejection, sampleRemote } from '../../../../test/support/sample-remote.js';

const bytes = (count: number) => ({ argv: ['head', '-c', String(count), '/dev/zero'] });

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
      isDoubtful: false,
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
