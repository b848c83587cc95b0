import { BackupError } from '../model/errors.js';
import type { Member, Metadata } from '../model/metadata.js';
import { checksumLines, checksumsName, metadataName, restoreTextName, type Sums } from './checksums.js';
import { endOfTarMember, footerMember, sha256Hex } from './gzip.js';
import { readRecords, type RecordedMember } from './members.js';
import { failedName, partLines, PartTable, pathOfCatalogue, tableName } from './part-table.js';
import { readFailedNote } from './read-table.js';
import { openArchiveFile, type OpenArchive } from './reader.js';
import { restoreText } from './restore-text.js';
import { archiveName, startedAt, storeOf } from './sample.test-support.js';
import { textMember } from './text-member.js';

/**
 * One archive of two of the same run: the members one after another, tables and notes with rebased offsets, a new tail. What the format
 * promises can be done, done with nothing but what the archives say.
 */
export async function joinShards(first: Buffer, second: Buffer): Promise<Buffer> {
  const joined = new Joined();
  const shards: OpenArchive[] = [];
  for (const bytes of [first, second]) {
    const shard = await openArchiveFile(storeOf(bytes), archiveName);
    await joined.append(shard, bytes);
    shards.push(shard);
  }
  return joined.finish(shards.map(({ metadata }) => metadata));
}

class Joined {
  readonly #pieces: Buffer[] = [];
  readonly #artifacts: Metadata['artifacts'] = [];
  readonly #sums: Sums[] = [];
  readonly #members: Member[] = [];
  #position = 0;

  async append(shard: OpenArchive, bytes: Buffer): Promise<void> {
    const records = await readRecords(shard);
    const moved = new Map<number, number>();
    const rebased = (table: PartTable): PartTable => {
      const result = new PartTable();
      for (const part of table) result.append({ ...part, offset: moved.get(part.offset) ?? -1 });
      return result;
    };
    for (const member of records.inFileOrder()) {
      if (member.name === restoreTextName || member.name === checksumsName) continue;
      if (member.kind === 'data') {
        moved.set(member.offset, this.#position);
        const place = this.#put(bytes.subarray(member.offset, member.offset + member.length));
        if (member.name === member.artifact)
          this.#add(shard, member.artifact, { ...place, contentSha256: member.contentSha256 });
      } else if (pathOfCatalogue(member.name) !== undefined) {
        const stored = bytes.subarray(member.offset, member.offset + member.length);
        this.#members.push({ name: member.name, ...this.#put(stored) });
      } else if (member.name.endsWith(failedName(''))) await this.#putNote(shard, member, rebased);
      else {
        const path = member.name.slice(0, -tableName('').length);
        const read = records.tables.get(path);
        const table = rebased(read?.table ?? new PartTable());
        this.#add(shard, path, { ...(await this.#putText(member.name, [...partLines(path, table)])), table });
      }
    }
  }

  async finish(shards: readonly Metadata[]): Promise<Buffer> {
    const [first] = shards;
    if (first === undefined) throw new Error('no shards');
    const info = { cluster: first.cluster.name, startedAt, tool: first.tool };
    const restore = await this.#putText(restoreTextName, [...restoreText(info, this.#artifacts)]);
    this.#members.push({ name: restoreTextName, ...placeOf(restore) });
    const sums = await this.#putText(checksumsName, [...checksumLines(this.#sums, restore.contentSha256)]);
    this.#members.push({ name: checksumsName, ...placeOf(sums) });
    const metadata: Metadata = {
      ...first,
      status: shards.some(({ status }) => status === 'partial') ? 'partial' : 'complete',
      artifacts: this.#artifacts,
      members: this.#members,
      failed: shards.flatMap(({ failed }) => failed),
    };
    const tail = await this.#putText(metadataName, [`${JSON.stringify(metadata, undefined, 1)}\n`]);
    this.#put(endOfTarMember);
    this.#put(footerMember(tail));
    return Buffer.concat(this.#pieces);
  }

  #put(bytes: Buffer): { offset: number; length: number; sha256: string } {
    const offset = this.#position;
    this.#pieces.push(bytes);
    this.#position += bytes.length;
    return { offset, length: bytes.length, sha256: sha256Hex(bytes) };
  }

  async #putText(name: string, pieces: readonly string[]): Promise<Text> {
    const content: Buffer[] = [];
    const stored: Buffer[] = [];
    const options = {
      level: 6,
      modified: startedAt.getTime() / 1000,
      onContent: (bytes: Buffer) => void content.push(bytes),
    };
    for await (const piece of textMember({ name, pieces: () => pieces }, options)) stored.push(piece);
    return { ...this.#put(Buffer.concat(stored)), contentSha256: sha256Hex(Buffer.concat(content)) };
  }

  async #putNote(shard: OpenArchive, member: RecordedMember, rebased: (table: PartTable) => PartTable): Promise<void> {
    const { path, table } = await readFailedNote(shard.file, member);
    const stored = await shard.file.read(member.offset, member.length);
    const text = (await shard.file.inflateText(stored, member.name, 1e6)).toString('utf8');
    const reason = text.split('\n').filter((line) => line.startsWith('# '));
    const lines = [...reason.map((line) => `${line}\n`), ...partLines(path, rebased(table))];
    this.#members.push({ name: member.name, ...placeOf(await this.#putText(member.name, lines)) });
  }

  #add(
    { metadata }: OpenArchive,
    path: string,
    { table, contentSha256, ...place }: Text & { table?: PartTable },
  ): void {
    if (this.#artifacts.some((artifact) => artifact.path === path))
      throw new BackupError('ARCHIVE_CORRUPT', `${path} is in both`);
    const artifact = metadata.artifacts.find((each) => each.path === path);
    if (artifact === undefined) throw new Error(`${path} is not described`);
    this.#artifacts.push({ ...artifact, member: { ...artifact.member, ...placeOf(place) } });
    const parts = artifact.parts;
    this.#sums.push({ path, parts, contentSha256, partSha256: (index) => table?.at(index).sha256 ?? '' });
  }
}

interface Text {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
  readonly contentSha256: string;
}

function placeOf({ offset, length, sha256 }: Omit<Text, 'contentSha256'>): Omit<Text, 'contentSha256'> {
  return { offset, length, sha256 };
}
