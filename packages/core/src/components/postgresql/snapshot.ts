import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { Json } from '../../model/json.js';
import type { RemoteHost, RemoteProcess } from '../../remote/remote-host.js';
import { parseAnswer, psqlCommand, settings, type Server } from './server.js';

const goodbyeMilliseconds = 5000;
/** Longer than any lock is waited for (`settings`). */
const answerSeconds = 120;
const mebibyte = 1024 * 1024;
/** Tables beyond the biggest ones are only summed up, so that the metadata stay small. */
const maximumTables = 500;
/** Sequences beyond the first ones by name are only counted, for the same reason. */
const maximumSequences = 500;

/** What a restore will be compared with. */
export interface Baseline {
  readonly counts: Readonly<Record<string, Json>>;
  /** Tables whose rows were to be counted and could not be. */
  readonly missing: readonly string[];
}

export interface SessionOptions {
  readonly remote: RemoteHost;
  readonly server: Server;
  readonly database: string;
  readonly versionNumber: number;
  readonly signal: AbortSignal;
  /** Until each answer must have come; 120 unless set. Counting has none. */
  readonly answerSeconds?: number;
}

/**
 * A psql that stays connected to one database. While it is connected the database cannot be dropped; from `exportSnapshot` on it holds
 * the snapshot that pg_dump uses, so what it counts is what the dump holds.
 */
export class Session implements AsyncDisposable {
  readonly #options: SessionOptions;
  readonly #process: RemoteProcess;
  readonly #lines: AsyncIterator<string>;
  #oid = 0;

  private constructor(options: SessionOptions, process: RemoteProcess) {
    this.#options = options;
    this.#process = process;
    process.stdin.on('error', () => undefined);
    this.#lines = linesOf(process.stdout);
  }

  /** Of the database that is connected to: the name may stand for another one by then than when it was listed. */
  get oid(): number {
    return this.#oid;
  }

  /** Connects. Errors: COMMAND_FAILED when the server refuses, for instance because the database is gone; COMMAND_TIMEOUT. */
  static async open(options: SessionOptions): Promise<Session> {
    const { remote, server, database, signal } = options;
    const session = new Session(options, await remote.start(psqlCommand(server, database), { signal }));
    try {
      await session.#greet();
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #greet(): Promise<void> {
    const { server, versionNumber } = this.#options;
    // Since 14 a role may limit how long a session waits for its turn.
    const limits = versionNumber >= 140_000 ? 'SET idle_session_timeout = 0;\n' : '';
    const [oid] = await this.#ask(`${settings}${limits}${oidSql};\n`);
    this.#oid = parseAnswer(oid ?? '', z.number().int().positive(), server.host);
  }

  /** The name of a snapshot of this moment, valid until the session ends. */
  async exportSnapshot(): Promise<string> {
    // Since 17 a role may limit whole transactions.
    const limits = this.#options.versionNumber >= 170_000 ? 'SET transaction_timeout = 0;\n' : '';
    const [snapshot] = await this.#ask(
      `${limits}BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSELECT pg_export_snapshot();\n`,
    );
    if (snapshot === undefined || !/^[0-9A-F-]+$/.test(snapshot))
      throw new BackupError(
        'SERVICE_ANSWER',
        `${this.#options.server.host}: PostgreSQL gave no snapshot for database ${this.#options.database}`,
        { host: this.#options.server.host },
      );
    return snapshot;
  }

  /** Keeps all WAL from the last checkpoint on, until the session ends. */
  async holdWal(slot: string): Promise<void> {
    await this.#ask(`\\set ON_ERROR_STOP on\nSELECT pg_create_physical_replication_slot('${slot}', true, true);\n`);
  }

  /**
   * Counts and lists as the snapshot sees them. Tables of more than `countRows` MiB are not counted, nor are those that change under the dump.
   * To be called when pg_dump has its locks, which it has when it writes its first bytes: a lock of ours that is older than pg_dump's
   * would make pg_dump wait behind whoever waits for us.
   */
  async baseline(countRows: number): Promise<Baseline> {
    const { host } = this.#options.server;
    // From here on a statement that fails must not end the transaction.
    await this.#ask('\\set ON_ERROR_ROLLBACK on\n');
    if (countRows > 0) await this.#ask(`${locksSql} \\gexec\n`);
    const [facts] = await this.#ask(`${factsSql};\n`);
    const listed = await this.#ask(`${namesSql};\n`);
    const counted = await this.#ask(`${countsSql(countRows)} \\gexec\n`, { deadline: false });
    const tables = withMissing(
      counted.map((line) => parseAnswer(line, tableSchema, host)),
      listed.map((line) => parseAnswer(line, z.string(), host)),
    );
    return {
      counts: { ...parseAnswer(facts ?? '', factsSchema, host), ...summarise(tables) },
      missing: tables.flatMap(([name, , missing]) => (missing ? [name] : [])),
    };
  }

  /** Lets psql say goodbye, so that the server's log has no line about a client that vanished; it is ended if it does not. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end('\\q\n');
    const patience = new AbortController();
    await Promise.race([
      this.#readToEnd(),
      delay(goodbyeMilliseconds, undefined, { ref: false, signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    await this.#process[Symbol.asyncDispose]();
  }

  async #readToEnd(): Promise<void> {
    try {
      while ((await this.#lines.next()).done !== true);
    } catch {
      // Why it ended has been told to whoever asked for something.
    }
  }

  /** Sends statements and returns the rows they print. Errors: COMMAND_TIMEOUT when they have not ended in time. */
  async #ask(statements: string, { deadline = true } = {}): Promise<readonly string[]> {
    const answer = this.#answer(statements);
    if (!deadline) return answer;
    const seconds = this.#options.answerSeconds ?? answerSeconds;
    const patience = new AbortController();
    const { server, database } = this.#options;
    const late = delay(seconds * 1000, undefined, { signal: patience.signal }).then(() => {
      throw new BackupError(
        'COMMAND_TIMEOUT',
        `${server.host}: psql on database ${database} gave no answer for ${String(seconds)} s`,
        { host: server.host, retryable: true },
      );
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      // The one that lost must not be an unhandled rejection.
      answer.catch(() => undefined);
      late.catch(() => undefined);
      patience.abort();
    }
  }

  async #answer(statements: string): Promise<readonly string[]> {
    const mark = `end-${randomUUID()}`;
    this.#process.stdin.write(`${statements}\n\\echo ${mark}\n`);
    const rows: string[] = [];
    for (;;) {
      const next = await this.#lines.next();
      if (next.done === true) return this.#ended();
      if (next.value === mark) return rows;
      rows.push(next.value);
    }
  }

  /** psql has gone: its exit says why. */
  async #ended(): Promise<never> {
    await this.#process.exit;
    throw new BackupError(
      'STREAM_CUT',
      `${this.#options.server.host}: psql on database ${this.#options.database} ended by itself`,
      { host: this.#options.server.host },
    );
  }
}

/** Readline's own iterator does not pass on the errors of its input, this does. */
async function* linesOf(stream: Readable): AsyncGenerator<string, void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

const oidSql = 'SELECT oid::bigint FROM pg_database WHERE datname = current_database()';

const factsSchema = z.object({
  owner: z.string(),
  encoding: z.string(),
  collate: z.string().nullable(),
  size: z.number(),
  largeObjects: z.number(),
  extensions: z.record(z.string(), z.string()),
  /** Null: never used. Sequences stand outside snapshots: under writers the dump may hold a later value. */
  sequences: z.record(z.string(), z.string().nullable()),
  /** Of all. */
  sequenceCount: z.number(),
});

export const factsSql = `SELECT json_build_object('owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'size', pg_database_size(oid),
  'largeObjects', (SELECT count(*) FROM pg_largeobject_metadata),
  'extensions', (SELECT coalesce(json_object_agg(extname, extversion ORDER BY extname), '{}') FROM pg_extension),
  'sequences', (SELECT coalesce(json_object_agg(format('%I.%I', schemaname, sequencename), last_value::text), '{}')
    FROM (SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY schemaname, sequencename LIMIT ${String(maximumSequences)}) AS first_ones),
  'sequenceCount', (SELECT count(*) FROM pg_sequences))
  FROM pg_database WHERE datname = current_database()`;

/** Name, rows (null: not counted), whether they were to be counted and could not be. */
const tableSchema = z.tuple([z.string(), z.number().nullable(), z.boolean()]);
type Table = z.infer<typeof tableSchema>;

/**
 * Ordinary tables and partitions of users' schemas, as the snapshot knows them; not those of extensions, whose rows a dump leaves to the
 * extension.
 */
const tablesSql = `SELECT c.oid, nspname, relname, relfilenode, relpages::bigint * current_setting('block_size')::bigint AS estimate
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE relkind = 'r' AND relpersistence <> 't' AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')`;

const namesSql = `SELECT to_json(format('%I.%I', nspname, relname)) FROM (${tablesSql}) AS tables`;

/**
 * One statement per table, the biggest first, to be run by \\gexec: locks each as pg_dump does, so that nobody changes it before it is counted.
 * Never waits, so a table that is changed at this moment, or that somebody waits to change, is left alone. pg_dump has locked the same
 * tables; with half of what the server's lock table is made for (max_locks_per_transaction) the others find room whatever their number.
 */
const locksSql = `SELECT format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE NOWAIT', nspname, relname) FROM (${tablesSql}) AS tables
  ORDER BY estimate DESC, oid LIMIT current_setting('max_locks_per_transaction')::bigint * current_setting('max_connections')::bigint / 2`;

/**
 * One statement per table, to be run by \\gexec. A table is counted that this session has locked and that is still what the snapshot knows: TRUNCATE and
 * an ALTER TABLE that rewrites look empty to older snapshots (PostgreSQL's documentation, "Caveats" of MVCC), and both give the table a
 * new file. pg_relation_filenode and to_regclass tell what is now, the columns of pg_class what the snapshot saw. The size is asked
 * only of locked tables, because asking waits for the lock.
 */
export function countsSql(countRows: number): string {
  const limit = String(countRows * mebibyte);
  return `SELECT format(CASE WHEN bytes <= ${limit} THEN 'SELECT json_build_array(%1$L, count(*), false) FROM ONLY %2$I.%3$I' ELSE 'SELECT json_build_array(%1$L, NULL, %4$L::boolean)' END,
    format('%I.%I', nspname, relname), nspname, relname, bytes IS NULL AND ${limit} > 0)
  FROM (SELECT nspname, relname, estimate, CASE WHEN unchanged THEN pg_table_size(oid) END AS bytes
    FROM (SELECT *, CASE WHEN oid IN (SELECT relation FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation')
        THEN relfilenode = pg_relation_filenode(oid) AND to_regclass(format('%I.%I', nspname, relname)) = oid ELSE false END AS unchanged
      FROM (${tablesSql}) AS tables) AS looked_at) AS measured
  ORDER BY coalesce(bytes, estimate) DESC, nspname, relname`;
}

/** A statement that fails prints no row: its table stands at the end, as not counted. */
function withMissing(counted: readonly Table[], listed: readonly string[]): readonly Table[] {
  const answered = new Set(counted.map(([name]) => name));
  return [...counted, ...listed.filter((name) => !answered.has(name)).map((name): Table => [name, null, true])];
}

function summarise(tables: readonly Table[]): Readonly<Record<string, Json>> {
  const kept = tables.slice(0, maximumTables);
  return {
    tableCount: tables.length,
    tables: Object.fromEntries(kept.map(([name, rows]) => [name, rows])),
    notCounted: tables.filter(([, rows]) => rows === null).length,
    ...(kept.length < tables.length
      ? { rowsOfOtherTables: tables.slice(maximumTables).reduce((sum, [, rows]) => sum + (rows ?? 0), 0) }
      : {}),
  };
}
