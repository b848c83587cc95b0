import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as tick, setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { bytesFormat } from '../formats/bytes.js';
import { jsonFormat } from '../formats/json.js';
import { BackupError } from '../model/errors.js';
import type { Format } from '../model/format.js';
import type { ArchiveWriter, WrittenArtifact } from './archive.js';
import { listMembers } from './members.js';
import { openArchiveFile } from './reader.js';
import {
  addContent,
  addStream,
  archiveName,
  collector,
  failingSource,
  finish,
  never,
  problemsOf,
  storeOf,
  testWriter,
} from './sample.test-support.js';

async function contentOf(bytes: Buffer, path: string): Promise<Buffer> {
  const archive = await openArchiveFile(storeOf(bytes), archiveName);
  return buffer(await archive.read(path));
}

async function textOf(bytes: Buffer, name: string): Promise<string> {
  const archive = await openArchiveFile(storeOf(bytes), archiveName);
  const member = archive.metadata.members.find((each) => each.name === name);
  if (member === undefined) throw new Error(`${name} is not among the members`);
  const stored = bytes.subarray(member.offset, member.offset + member.length);
  return (await archive.file.inflateText(stored, name, 1e6)).toString('utf8');
}

const mebibyte = 1024 * 1024;
const source = (...pieces: readonly Buffer[]): Readable => Readable.from(pieces, { objectMode: false });

describe('createArchiveWriter', () => {
  it.each([
    ['text', Buffer.from(Array.from({ length: 500_000 }, (_, line) => `line ${(line * 7919) % 1_000_003}\n`).join(''))],
    ['what hardly compresses', randomBytes(9 * mebibyte)],
    ['what compresses well', Buffer.alloc(9 * mebibyte, 'x')],
  ])('keeps chunks of the usual size: %s', async (_what, content) => {
    const { output, bytes } = collector();
    const writer = testWriter(output, { chunkBytes: 4 * mebibyte, memory: 80 * mebibyte });
    const written = [
      await addStream(writer, 'c/h/streamed', source(content)),
      await addContent(writer, 'c/h/given', content),
    ];
    await finish(writer, written);
    expect((await contentOf(bytes(), 'c/h/streamed')).equals(content)).toBe(true);
    expect((await contentOf(bytes(), 'c/h/given')).equals(content)).toBe(true);
    expect(await problemsOf(bytes())).toEqual([]);
  });

  it.each([0, 1, 511, 512, 513, 999, 1000, 1001, 1999, 2000, 2001, 12345])(
    'keeps %d bytes, streamed or given',
    async (length) => {
      const content = Buffer.alloc(length, 'lsbackup ');
      const { output, bytes } = collector();
      const writer = testWriter(output);
      const written = [
        await addStream(writer, 'c/h/streamed', source(content)),
        await addContent(writer, 'c/h/given', content),
      ];
      await finish(writer, written);
      expect(written[0]).toMatchObject({ bytes: length, sha256: createHash('sha256').update(content).digest('hex') });
      expect(written[0]?.parts === 0).toBe(length <= 1000);
      expect(await contentOf(bytes(), 'c/h/streamed')).toEqual(content);
      expect(await contentOf(bytes(), 'c/h/given')).toEqual(content);
      expect(await problemsOf(bytes())).toEqual([]);
      expect(writer.bytesWritten).toBe(bytes().length);
      expect(writer.memoryInUse).toBe(0);
    },
  );

  it.each([0, 999, 1000, 1001, 3000, 3001])(
    'a stream that fails after %d bytes is no artifact, and its parts are named in the note',
    async (length) => {
      const { output, bytes } = collector();
      const writer = testWriter(output);
      const good = await addContent(writer, 'c/h/good', Buffer.from('good'));
      await expect(addStream(writer, 'c/h/bad', failingSource(Buffer.alloc(length, 7)))).rejects.toMatchObject({
        code: 'COMMAND_FAILED',
        message: 'exit status 2',
      });
      await finish(writer, [good]);
      const lines = (await textOf(bytes(), 'c/h/bad.FAILED')).trimEnd().split('\n');
      expect(lines[0]).toBe('# COMMAND_FAILED: exit status 2');
      // The last chunk is withheld, so there is one part less than there were chunks.
      expect(lines.length - 1).toBe(Math.max(0, Math.ceil(length / 1000) - 1));
      expect(await textOf(bytes(), 'SHA256SUMS')).not.toContain('bad');
      expect(await textOf(bytes(), 'RESTORE.txt')).not.toContain('bad');
      await expect(contentOf(bytes(), 'c/h/bad')).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
      expect(await problemsOf(bytes())).toEqual([]);
      expect(writer.memoryInUse).toBe(0);
    },
  );

  it('lets the last chunk go only when the format check has passed', async () => {
    const refusing: Format = {
      name: 'refusing',
      check: () => ({
        write: () => undefined,
        end: () => {
          throw new BackupError('FORMAT_INVALID', 'the end mark is missing');
        },
      }),
    };
    const { output, bytes } = collector();
    const writer = testWriter(output);
    const request = { format: refusing, content: Buffer.alloc(1000), signal: never };
    await expect(writer.addBytes({ ...request, path: 'c/h/whole' })).rejects.toMatchObject({ code: 'FORMAT_INVALID' });
    await finish(writer, []);
    const archive = await openArchiveFile(storeOf(bytes()), archiveName);
    const names: string[] = [];
    for await (const { name } of listMembers(archive)) names.push(name);
    expect(names).toEqual(['c/h/whole.FAILED', 'RESTORE.txt', 'SHA256SUMS']);
  });

  it('refuses a path that was used, also when it failed', async () => {
    const { output } = collector();
    const writer = testWriter(output);
    await expect(addStream(writer, 'c/h/a', failingSource())).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
    await expect(addContent(writer, 'c/h/a', Buffer.alloc(1))).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('ends a stream that hangs when its signal aborts, with the reason', async () => {
    const { output } = collector();
    const writer = testWriter(output);
    const controller = new AbortController();
    const hanging = new Readable({ read: () => undefined });
    const [reservation] = writer.buffers.tryReserve(1) ?? [];
    if (reservation === undefined) throw new Error('no buffers');
    const added = writer.add({
      path: 'c/h/a',
      format: bytesFormat,
      source: hanging,
      reservation,
      signal: controller.signal,
    });
    hanging.push(Buffer.alloc(1500));
    await tick();
    controller.abort(new BackupError('HOLD_EXPIRED', 'held for too long'));
    await expect(added).rejects.toMatchObject({ code: 'HOLD_EXPIRED' });
    expect(hanging.destroyed).toBe(true);
    expect(writer.memoryInUse).toBe(0);
  });

  describe.each<[string, () => Readable]>([
    [
      'a PassThrough',
      () => {
        const source = new PassThrough();
        source.end('{"users":[]}GARBAGE');
        return source;
      },
    ],
    [
      'a Readable that was pushed to',
      () => {
        const source = new Readable({ read: () => undefined });
        source.push('{"users":[]}GARBAGE');
        source.push(null);
        return source;
      },
    ],
    ['an iterator', () => Readable.from([Buffer.from('{"users":[]}GARBAGE')], { objectMode: false })],
  ])('what is wrong with the last chunk of %s', (_what, make) => {
    it('is not lost in the end of the stream', async () => {
      const { output } = collector();
      const writer = testWriter(output);
      const [reservation] = writer.buffers.tryReserve(1) ?? [];
      if (reservation === undefined) throw new Error('no buffers');
      const added = writer.add({ path: 'c/h/a', format: jsonFormat, source: make(), reservation, signal: never });
      await expect(added).rejects.toMatchObject({ code: 'FORMAT_INVALID' });
    });
  });

  it.each(['format check', 'signal'])('after a failure by the %s the source has been closed', async (cause) => {
    const { output } = collector();
    const writer = testWriter(output);
    let ended = false;
    const source = new Readable({
      read() {
        this.push('x');
      },
      destroy: (error, callback) => {
        // As a command on a host that takes its time to end.
        setTimeout(() => {
          ended = true;
          callback(error);
        }, 50);
      },
    });
    const refuse = (): void => {
      throw new BackupError('FORMAT_INVALID', 'no');
    };
    const format: Format = {
      name: 'test',
      check: () => ({ write: cause === 'signal' ? () => undefined : refuse, end: () => undefined }),
    };
    const [reservation] = writer.buffers.tryReserve(1) ?? [];
    if (reservation === undefined) throw new Error('no buffers');
    const signal = cause === 'signal' ? AbortSignal.timeout(20) : never;
    await expect(writer.add({ path: 'c/h/a', format, source, reservation, signal })).rejects.toThrow();
    expect(ended).toBe(true);
  });

  it('reports a source that closes without an end as cut', async () => {
    const { output } = collector();
    const closing = new Readable({ read: () => undefined });
    const added = addStream(testWriter(output), 'c/h/a', closing);
    closing.destroy();
    await expect(added).rejects.toMatchObject({ code: 'STREAM_CUT' });
  });

  it('rejects every pending call with the first error of the output', async () => {
    let room = 3000;
    const full = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        room -= chunk.length;
        callback(room < 0 ? new BackupError('TARGET_NO_SPACE', 'no space left') : null);
      },
    });
    const writer = testWriter(full);
    const endless = (): Readable =>
      Readable.from(
        (function* () {
          for (;;) yield createHash('sha256').update(String(Math.random())).digest();
        })(),
        { objectMode: false },
      );
    const hanging = new Readable({ read: () => undefined });
    const results = await Promise.allSettled([
      addStream(writer, 'c/h/a', endless()),
      addStream(writer, 'c/h/b', endless()),
      addStream(writer, 'c/h/c', hanging),
    ]);
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'TARGET_NO_SPACE' } });
    await expect(finish(writer, [])).rejects.toMatchObject({ code: 'TARGET_NO_SPACE' });
    for (let turn = 0; turn < 100 && writer.memoryInUse > 0; turn += 1) await delay(10);
    expect(writer.memoryInUse).toBe(0);
  });

  it('stops reading sources when the output takes nothing', async () => {
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const stuck = new Writable({ write: (_chunk, _encoding, callback) => void gate.then(() => callback()) });
    const writer = testWriter(stuck, { memory: 64 * 1024 });
    let read = 0;
    const endless = Readable.from(
      (function* () {
        for (; read < 10_000_000; read += 100) yield createHash('sha512').update(String(read)).digest();
      })(),
      { objectMode: false },
    );
    const controller = new AbortController();
    const [reservation] = writer.buffers.tryReserve(1) ?? [];
    if (reservation === undefined) throw new Error('no buffers');
    const added = writer.add({
      path: 'c/h/a',
      format: bytesFormat,
      source: endless,
      reservation,
      signal: controller.signal,
    });
    let before = -1;
    while (before !== read) {
      before = read;
      await delay(100);
    }
    expect(read).toBeLessThan(10_000_000);
    expect(writer.memoryInUse).toBeLessThanOrEqual(64 * 1024);
    controller.abort();
    open?.();
    await expect(added).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('refuses metadata that does not describe what was written', async () => {
    const { output } = collector();
    const writer = testWriter(output);
    await addContent(writer, 'c/h/a', Buffer.alloc(1));
    await expect(finish(writer, [])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('any mix of streams finishes, content is right, parts ascend, memory goes back to zero', async () => {
    const stream = fc.record({
      length: fc.integer({ min: 0, max: 12_000 }),
      piece: fc.integer({ min: 1, max: 4000 }),
      fails: fc.boolean(),
      slow: fc.boolean(),
      hold: fc.boolean(),
    });
    const mix = fc.record({
      streams: fc.array(stream, { minLength: 1, maxLength: 10 }),
      slowOutput: fc.boolean(),
      memory: fc.integer({ min: 6_000, max: 200_000 }),
      parallel: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(mix, async ({ streams, slowOutput, memory, parallel }) => {
        const { output: collected, bytes } = collector();
        const output = slowOutput ? slowed(collected) : collected;
        const writer = testWriter(output, { memory, parallel });
        const admit = admission(writer);
        const contents = streams.map(({ length }, index) => Buffer.alloc(length, `stream ${String(index)} `));
        const settled = await Promise.allSettled(
          streams.map(async (each, index) => {
            const reservation = await admit(each.hold);
            const pieces = piecesOf(contents[index] ?? Buffer.alloc(0), each);
            return writer.add({
              path: `c/h/${String(index)}`,
              format: bytesFormat,
              source: pieces,
              reservation,
              signal: never,
            });
          }),
        );
        const written = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
        expect(settled.map(({ status }) => status === 'rejected')).toEqual(streams.map(({ fails }) => fails));
        await finish(writer, written);
        expect(writer.memoryInUse).toBe(0);
        expect(await problemsOf(bytes())).toEqual([]);
        await checkContents(bytes(), written, contents);
      }),
      { numRuns: 25 },
    );
  });
});

function slowed(inner: Writable): Writable {
  return new Writable({
    highWaterMark: 1,
    write: (chunk: Buffer, _encoding, callback) => void setImmediate(() => inner.write(chunk, callback)),
    final: (callback) => inner.end(callback),
  });
}

/** What a scheduler does: waits until the pool has room for one more stream. */
function admission(writer: ArchiveWriter) {
  const waiting: (() => void)[] = [];
  writer.buffers.onRelease(() => waiting.splice(0).forEach((retry) => retry()));
  return async (hold: boolean) => {
    for (;;) {
      const [reservation] = writer.buffers.tryReserve(1, { hold }) ?? [];
      if (reservation !== undefined) return reservation;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
}

function piecesOf(content: Buffer, { piece, fails, slow }: { piece: number; fails: boolean; slow: boolean }): Readable {
  const pieces = async function* () {
    for (let start = 0; start < content.length; start += piece) {
      if (slow) await tick();
      yield content.subarray(start, start + piece);
    }
    if (fails) throw new BackupError('COMMAND_FAILED', 'exit status 2');
  };
  return Readable.from(pieces(), { objectMode: false });
}

async function checkContents(
  bytes: Buffer,
  written: readonly WrittenArtifact[],
  contents: readonly Buffer[],
): Promise<void> {
  for (const { path } of written)
    expect((await contentOf(bytes, path)).equals(contents[Number(path.split('/').at(-1))] ?? Buffer.alloc(0))).toBe(
      true,
    );
  const last = new Map<string, string>();
  for await (const member of listMembers(await openArchiveFile(storeOf(bytes), archiveName))) {
    if (member.kind !== 'data') continue;
    expect(member.name > (last.get(member.artifact) ?? '')).toBe(true);
    last.set(member.artifact, member.name);
  }
}
