import { inOrder } from '../archive/in-order.js';
import { openArchive } from '../archive/reader.js';
import type { Archive } from '../archive/archive.js';
import { BackupError } from '../model/errors.js';
import type { ErrorCode } from '../model/errors.js';
import type { RunStatus, UnitStatus } from '../model/metadata.js';
import type { Entry, Store } from '../stores/store.js';
import { contentBytes } from './show.js';

/** One line of a list: what an archive's footer and metadata say, or why they cannot be read. */
export type ArchiveSummary = ReadableSummary | UnreadableSummary;

export interface ReadableSummary {
  readonly name: string;
  /** Of the archive as it is stored. */
  readonly bytes: number;
  /** As the store has it. */
  readonly modified: Date;
  readonly status: RunStatus;
  readonly runId: string;
  readonly cluster: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly hosts: number;
  readonly components: readonly { readonly name: string; readonly status: UnitStatus }[];
  readonly artifacts: number;
  /** Of all artifacts' contents together. */
  readonly contentBytes: number;
  /** Artifacts that were expected and are not in the archive. */
  readonly failed: number;
}

export interface UnreadableSummary {
  readonly name: string;
  readonly bytes: number;
  readonly modified: Date;
  /** `too-new`: whole, but made by a newer version. `unreadable`: nobody knows, for this user may not read it. */
  readonly status: 'damaged' | 'too-new' | 'unreadable';
  readonly code: ErrorCode;
  readonly reason: string;
}

export interface ListOptions {
  readonly signal?: AbortSignal;
}

const archiveName = /^lsbackup-.+\.tar\.gz$/;
/** Archives being read at once: a store over a network answers them together. */
const readAhead = 8;

/**
 * Every archive at the store, in name order. Reads the tail of each, kilobytes. One that has no valid tail is listed as `damaged`, one that may not be
 * read as `unreadable`, never left out; one that is removed meanwhile is not listed. Errors: those of the store, the abort reason.
 */
export async function* listArchives(
  store: Store,
  options: ListOptions = {},
): AsyncGenerator<ArchiveSummary, void, undefined> {
  const entries: Entry[] = [];
  for await (const entry of store.list('lsbackup-')) if (archiveName.test(entry.name)) entries.push(entry);
  for await (const summary of inOrder(entries, readAhead, (entry) => summarize(store, entry, options)))
    if (summary !== undefined) yield summary;
}

export interface NewestComplete {
  readonly archive: ReadableSummary;
  /** Newer ones that are partial or cannot be read: worth a notice, for somebody may take this for the last run. */
  readonly passedOver: readonly ArchiveSummary[];
}

/**
 * The complete archive whose run started last, by its metadata: the date in a name is decoration.
 * Errors: ARCHIVE_MISSING when there is none that is complete and can be read (the message tells what there is); those of the store.
 */
export async function newestComplete(store: Store, options: ListOptions = {}): Promise<NewestComplete> {
  const all: ArchiveSummary[] = [];
  for await (const summary of listArchives(store, options)) all.push(summary);
  const newest = all.filter(isComplete).reduce<ReadableSummary | undefined>(later, undefined);
  if (newest === undefined) throw noComplete(store, all);
  return { archive: newest, passedOver: all.filter((other) => !isComplete(other) && isNewer(other, newest)) };
}

export interface ChosenArchive {
  readonly archive: Archive;
  readonly passedOver: readonly ArchiveSummary[];
}

/**
 * Opens the archive of that name, or the newest complete one. Errors: ARCHIVE_MISSING, ARCHIVE_CORRUPT (named, and its footer or metadata is gone),
 * ARCHIVE_TOO_NEW, those of the store.
 */
export async function openNamedOrNewest(
  store: Store,
  name: string | undefined,
  options: ListOptions = {},
): Promise<ChosenArchive> {
  if (name !== undefined) return { archive: await openArchive(store, name, options), passedOver: [] };
  const { archive, passedOver } = await newestComplete(store, options);
  return { archive: await openArchive(store, archive.name, options), passedOver };
}

async function summarize(store: Store, entry: Entry, options: ListOptions): Promise<ArchiveSummary | undefined> {
  const { name, bytes, modified } = entry;
  try {
    return { name, bytes, modified, ...told(await openArchive(store, name, options)) };
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    if (error.code === 'ARCHIVE_MISSING' || error.code === 'OBJECT_MISSING') return undefined;
    const status = unreadableStatuses[error.code];
    if (status === undefined) throw error;
    return { name, bytes, modified, status, code: error.code, reason: error.message };
  }
}

const unreadableStatuses: Partial<Record<ErrorCode, UnreadableSummary['status']>> = {
  ARCHIVE_CORRUPT: 'damaged',
  ARCHIVE_TOO_NEW: 'too-new',
  OBJECT_UNREADABLE: 'unreadable',
};

function told({ metadata }: Archive): Omit<ReadableSummary, 'name' | 'bytes' | 'modified'> {
  return {
    status: metadata.status,
    runId: metadata.runId,
    cluster: metadata.cluster.name,
    startedAt: metadata.startedAt,
    finishedAt: metadata.finishedAt,
    hosts: metadata.hosts.length,
    components: metadata.components.map(({ name, status }) => ({ name, status })),
    artifacts: metadata.artifacts.length,
    contentBytes: contentBytes(metadata),
    failed: metadata.failed.length,
  };
}

function isComplete(summary: ArchiveSummary): summary is ReadableSummary {
  return summary.status === 'complete';
}

/** Of two that started in the same millisecond, the later name: `_1` was begun after the one without. */
function later(newest: ReadableSummary | undefined, next: ReadableSummary): ReadableSummary {
  if (newest === undefined) return next;
  return Date.parse(next.startedAt) >= Date.parse(newest.startedAt) ? next : newest;
}

/** What cannot be read has no start time; the store's own time has to do. */
function isNewer(other: ArchiveSummary, newest: ReadableSummary): boolean {
  if (other.status === 'partial') return Date.parse(other.startedAt) > Date.parse(newest.startedAt);
  return other.modified.getTime() >= newest.modified.getTime();
}

function noComplete(store: Store, all: readonly ArchiveSummary[]): BackupError {
  if (all.length === 0) return new BackupError('ARCHIVE_MISSING', `there is no archive at ${store.description}`);
  const counts = (['partial', 'damaged', 'too-new', 'unreadable'] as const)
    .map((status) => ({ status, count: all.filter((summary) => summary.status === status).length }))
    .filter(({ count }) => count > 0)
    .map(({ status, count }) => `${count} ${status}`);
  return new BackupError(
    'ARCHIVE_MISSING',
    `there is no complete archive at ${store.description}, only ${counts.join(', ')}`,
    {
      hint: 'name a partial one to use it; lsbackup list shows what is wrong with each',
    },
  );
}
