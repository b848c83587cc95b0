import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';

import { bytesFormat } from '../formats/bytes.js';
import type { Member, Metadata } from '../model/metadata.js';
import { createMemoryStore } from '../stores/memory.js';
import type { WrittenArtifact } from './archive.js';
import { openArchive } from './reader.js';
import { createArchiveWriter } from './writer.js';

const startedAt = new Date('2024-05-06T07:08:09.000Z');
const signal = new AbortController().signal;

describe('thin', () => {
  it('round trip', async () => {
    const store = createMemoryStore();
    const upload = await store.begin('a.tar.gz', { signal, runId: 'r' });
    const writer = createArchiveWriter({ output: upload.body, signal, chunkBytes: 1000, info: { cluster: 'c', startedAt, tool: { name: 't', version: '1' } } });
    const small = randomBytes(500);
    const large = randomBytes(12345);
    const [r] = writer.buffers.tryReserve(1) ?? [];
    const written: WrittenArtifact[] = [
      await writer.addBytes({ path: 'c/h/small', format: bytesFormat, content: small, signal }),
      await writer.add({ path: 'c/h/large', format: bytesFormat, source: Readable.from([large.subarray(0, 777), large.subarray(777)]), reservation: r!, signal }),
    ];
    await writer.finish(({ members }) => metadata(written, members));
    await upload.commit({ stillOwner: () => Promise.resolve(true) });
    const archive = await openArchive(store, 'a.tar.gz');
    expect(await buffer(await archive.read('c/h/small'))).toEqual(small);
    expect(await buffer(await archive.read('c/h/large'))).toEqual(large);
    writeFileSync('/tmp/lsb/a.tar.gz', await buffer(await store.get('a.tar.gz')));
    expect(writer.memoryInUse).toBe(0);
  });
});
function metadata(artifacts: readonly WrittenArtifact[], members: readonly Member[]): Metadata {
  const at = startedAt.toISOString();
  return { format: 'lsbackup-v1', requires: [], tool: { name: 't', version: '1' }, runId: 'r', startedAt: at, finishedAt: at, status: 'complete', cluster: { name: 'c', inventorySha256: '0'.repeat(64) }, hosts: [], components: [],
    artifacts: artifacts.map((a) => ({ ...a, component: 'c', unit: 'h', host: 'h', format: 'bytes', startedAt: at, finishedAt: at, warnings: [] })), failed: [], members: [...members], uncoveredGroups: [] };
}
