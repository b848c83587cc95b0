import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { temporaryDirectory } from '../../../../test/support/lsbackup.js';
import { drain, rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import type { Fault } from '../../../../test/support/ssh-server.mjs';

const bytes = (count: number) => ({ argv: ['head', '-c', String(count), '/dev/zero'] });
/** The command that gathers facts stays whole; every other has the fault. */
const faulty = (fault: Fault) => ({ faults: (line: string) => (line.includes('machineId') ? undefined : fault) });

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
    const names: string[] = [];
    const left = await remote.read(
      { ...command(1), accept: { tar: { mayChange: false, mayVanish: true } } },
      { changed: (changed) => names.push(...changed) },
    );
    expect(await drain(left)).toMatchObject({ error: undefined });
    expect(names).toEqual(['./x']);
    const fatal = await remote.read({ ...command(127), accept: { tar: { mayChange: true, mayVanish: true } } });
    expect(await drain(fatal)).toMatchObject({ error: { code: 'COMMAND_FAILED' } });
  });
});
