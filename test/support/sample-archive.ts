import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import type { WrittenArtifact } from '../../packages/core/src/archive/archive.js';
import { createArchiveWriter } from '../../packages/core/src/archive/writer.js';
import type { Format } from '../../packages/core/src/model/format.js';
import type { Metadata } from '../../packages/core/src/model/metadata.js';
import type { Store } from '../../packages/core/src/stores/store.js';

export interface SampleArtifact {
  readonly path: string;
  readonly format: Format;
  readonly content: Buffer;
}

const tool = { name: 'test', version: '0' };

/** Writes an archive with the real writer, in parts of `chunkBytes`, and publishes it. Answers with the name it got. */
export async function publishSample(
  store: Store,
  name: string,
  sample: {
    readonly artifacts: readonly SampleArtifact[];
    readonly chunkBytes?: number;
    /** Bytes of the writer's budget. */
    readonly memory?: number;
    readonly metadata?: Partial<Metadata>;
  },
): Promise<string> {
  const { signal } = new AbortController();
  const upload = await store.begin(name, { signal, runId: 'run' });
  const startedAt = new Date(sample.metadata?.startedAt ?? '2024-01-02T03:04:05.000Z');
  const chunkBytes = sample.chunkBytes === undefined ? {} : { chunkBytes: sample.chunkBytes };
  const writer = createArchiveWriter({
    output: upload.body,
    signal,
    info: { cluster: 'test', startedAt, tool },
    ...chunkBytes,
    ...(sample.memory !== undefined && { memory: sample.memory }),
  });
  const written = await Promise.all(
    sample.artifacts.map(async ({ path, format, content }) => {
      const [reservation] = writer.buffers.tryReserve(1) ?? [];
      if (reservation === undefined) throw new Error('too many artifacts for the buffers');
      const source = Readable.from(content.length === 0 ? [] : [content], { objectMode: false });
      return { ...(await writer.add({ path, format, source, signal, reservation })), format: format.name };
    }),
  );
  await writer.finish(({ members }) =>
    describe(written, { startedAt: startedAt.toISOString(), ...sample.metadata, members: [...members] }),
  );
  await upload.commit({ stillOwner: () => Promise.resolve(true) });
  return upload.name;
}

/** Publishes these very bytes. */
export async function publishBytes(store: Store, name: string, content: Buffer): Promise<string> {
  const upload = await store.begin(name, { signal: new AbortController().signal, runId: 'raw' });
  await pipeline(Readable.from([content], { objectMode: false }), upload.body);
  await upload.commit({ stillOwner: () => Promise.resolve(true) });
  return upload.name;
}

function describe(
  written: readonly (WrittenArtifact & { readonly format: string })[],
  changes: Partial<Metadata> & { startedAt: string },
): Metadata {
  const { startedAt } = changes;
  return {
    format: 'lsbackup-v1',
    requires: [],
    tool,
    runId: 'run',
    finishedAt: startedAt,
    status: 'complete',
    cluster: { name: 'test', inventorySha256: '0'.repeat(64) },
    hosts: [],
    components: [],
    artifacts: written.map((artifact) => {
      const [component = '', host = ''] = artifact.path.split('/');
      return { ...artifact, component, unit: host, host, startedAt, finishedAt: startedAt, warnings: [] };
    }),
    failed: [],
    members: [],
    uncoveredGroups: [],
    ...changes,
  };
}
