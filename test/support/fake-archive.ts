import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

import type { Archive } from '../../packages/core/src/archive/archive.js';
import { BackupError } from '../../packages/core/src/model/errors.js';
import type { ArtifactRecord, Metadata } from '../../packages/core/src/model/metadata.js';

const time = '2024-01-02T03:04:05.000Z';
const nothing = createHash('sha256').digest('hex');

export interface FakeArtifact {
  readonly path: string;
  readonly format: string;
  readonly content: Buffer;
  /** What the metadata claims; the content's own length unless set. */
  readonly bytes?: number;
  /** Bytes handed out at once; everything unless set. */
  readonly pieces?: number;
  /** Lines of its catalogue; none unless set. */
  readonly catalogue?: readonly string[];
}

/** An archive without a store: what it says and what it hands out are given. */
export function fakeArchive(artifacts: readonly FakeArtifact[], changes: Partial<Metadata> = {}): Archive {
  const metadata: Metadata = {
    format: 'lsbackup-v1',
    requires: [],
    tool: { name: 'test', version: '0' },
    runId: 'run',
    startedAt: time,
    finishedAt: time,
    status: 'complete',
    cluster: { name: 'test', inventorySha256: nothing },
    hosts: [],
    components: [],
    artifacts: artifacts.map(record),
    failed: [],
    members: [],
    uncoveredGroups: [],
    ...changes,
  };
  const find = (path: string): FakeArtifact | undefined => artifacts.find((one) => one.path === path);
  const read: Archive['read'] = (path, { ranges } = {}) => {
    const artifact = find(path);
    if (artifact === undefined) return Promise.reject(new BackupError('ARTIFACT_MISSING', path));
    const content = ranges?.map(({ start, end }) => artifact.content.subarray(start, end)) ?? pieces(artifact);
    return Promise.resolve(Readable.from(content, { objectMode: false }));
  };
  const readCatalogue: Archive['readCatalogue'] = async (path, { onLine }) => {
    for (const line of find(path)?.catalogue ?? []) onLine(line);
    return Promise.resolve({ bytes: 0, sha256: nothing });
  };
  const hasCatalogue = (path: string): boolean => find(path)?.catalogue !== undefined;
  return { name: 'lsbackup-test.tar.gz', bytes: 1, metadata, read, hasCatalogue, readCatalogue };
}

function record(artifact: FakeArtifact): ArtifactRecord {
  return {
    path: artifact.path,
    component: artifact.path.split('/')[0] ?? '',
    unit: 'unit',
    host: artifact.path.split('/')[1] ?? '',
    format: artifact.format,
    bytes: artifact.bytes ?? artifact.content.length,
    sha256: createHash('sha256').update(artifact.content).digest('hex'),
    parts: 0,
    member: { name: artifact.path, offset: 0, length: 1, sha256: nothing },
    startedAt: time,
    finishedAt: time,
    warnings: [],
  };
}

function* pieces({ content, pieces: size = content.length }: FakeArtifact): Generator<Buffer> {
  for (let start = 0; start < content.length; start += size) yield content.subarray(start, start + size);
}
