import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import type { StepContext } from '../restore.js';
import { componentName } from './artifacts.js';
import { parseAnswer, psqlCommand, settings, type Server } from './server.js';
import { quoteText } from './sql-text.js';

/** What a Server must have where it comes out of a journal. */
export const serverSchema = z.object({
  host: z.string(),
  port: z.number(),
  socketDirectory: z.string(),
  dataDirectory: z.string(),
  binaries: z.string(),
  user: z.string(),
  database: z.string(),
}) satisfies z.ZodType<Server>;

/** A server as one step talks to it. */
export interface Place {
  readonly remote: RemoteHost;
  readonly server: Server;
  /** What the step's sessions are called on the server, so that a later attempt finds those of an earlier one. */
  readonly sessions: string;
  readonly signal: AbortSignal;
}

export async function placeOf(context: StepContext, server: Server, sessions: string): Promise<Place> {
  return { remote: await context.remote(server.host), server, sessions, signal: context.signal };
}

/** Where a session is not told otherwise: one that is only told what to do has this long. */
const answerSeconds = 120;
/** For what takes as long as there is data. */
export const longSeconds = 7 * 86_400;
const sessionEndSeconds = 60;

/** What a restore's sessions need beside `settings`. An error must not show the statement: it may hold a secret. */
const restoreSettings = [
  '\\set ON_ERROR_STOP on',
  '\\set VERBOSITY terse',
  settings,
  'SET default_transaction_read_only = off;',
  'SET standard_conforming_strings = on;',
  // What a full disk is called.
  "SET lc_messages = 'C';",
  // The server's log may not hold it either, nor the piece of it that the message about a statement that was cut shows.
  "SET log_statement = 'none';",
  'SET log_min_duration_statement = -1;',
  "SET log_min_error_statement = 'panic';",
  "SET log_min_messages = 'fatal';",
  '',
].join('\n');

export interface Script {
  readonly sql: string;
  /** Instead of the server's. */
  readonly database?: string;
  /** Until it must have ended; 120 unless set. */
  readonly seconds?: number;
}

/**
 * Runs statements, each by itself. What is cut off by a lost connection must do no harm: psql sends an unfinished statement at the end of its input all the
 * same. So whatever changes something is either made by `\gexec` or stands in `transaction`.
 * Errors: SERVICE_DOWN, RESTORE_FAILED with what the server said.
 */
export async function execute(place: Place, { sql, database, seconds = answerSeconds }: Script): Promise<string> {
  const { remote, server, signal } = place;
  const command: Command = {
    ...psqlCommand(server, database ?? server.database),
    env: { PGCLIENTENCODING: 'UTF8', PGAPPNAME: place.sessions },
    accept: [0, 1, 2, 3],
    deadline: seconds,
  };
  const input = Buffer.from(`${restoreSettings}${sql}\n`);
  const { stdout, stderr, status } = await remote.run(command, { signal, input });
  if (status === 0) return stdout.toString('utf8');
  const said = stderr.trim();
  throw status === 2
    ? new BackupError(
        'SERVICE_DOWN',
        `${server.host}: PostgreSQL at port ${String(server.port)} does not let us in: ${said}`,
        { host: server.host, component: componentName, retryable: true },
      )
    : new BackupError('RESTORE_FAILED', `${server.host}: PostgreSQL refused: ${said}`, {
        host: server.host,
        component: componentName,
      });
}

/** All of it, or nothing: without its last line it is rolled back. */
export function transaction(statements: readonly string[]): string {
  return ['BEGIN;', ...statements, 'COMMIT;'].join('\n');
}

/** One that cannot stand in a transaction, or whose names the server has to fill in: a query that gives statements, which are run. */
export function run(query: string): string {
  return `${query} \\gexec`;
}

/** A statement that is here in full, safe against being cut. */
export function runStatement(statement: string): string {
  return run(`SELECT ${quoteText(statement)}`);
}

/** The JSON value that a query answers with. */
export async function ask<T>(place: Place, sql: string, schema: z.ZodType<T>): Promise<T> {
  return parseAnswer(await execute(place, { sql: `${sql};` }), schema, place.server.host);
}

const sessionSchema = z.object({ pid: z.number(), user: z.string().nullable(), application: z.string() });

/** Ends sessions that `where` (over pg_stat_activity) finds, and answers with those that were there. */
function endSql(where: string): string {
  return `SELECT coalesce(json_agg(json_build_object('pid', pid, 'user', usename, 'application', application_name, 'told', pg_terminate_backend(pid))), '[]')
    FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (${where})`;
}

/** A statement of an earlier attempt goes on by itself where only psql was killed. */
function earlier({ sessions }: Place): string {
  return `application_name = ${quoteText(sessions)}`;
}

/**
 * Ends the sessions that `where` finds, again and again until none is left; runs `before` first. Answers
 * with what `after` asks once none was left. Errors: RESTORE_FAILED naming those that do not go within a minute.
 */
export async function endSessions(
  place: Place,
  { where, before = '', after = '' }: { readonly where: string; readonly before?: string; readonly after?: string },
): Promise<string> {
  const deadline = performance.now() + sessionEndSeconds * 1000;
  for (let first = before; ; first = '') {
    const [answer = '', ...rest] = lines(await execute(place, { sql: `${first}\n${endSql(where)};\n${after}` }));
    const left = parseAnswer(answer, z.array(sessionSchema), place.server.host);
    if (left.length === 0) return rest.join('\n');
    if (performance.now() > deadline)
      throw new BackupError(
        'RESTORE_FAILED',
        `${place.server.host}: PostgreSQL sessions do not end: ${left.map(({ pid, user, application }) => `${String(pid)} (${user ?? 'no user'}, ${application})`).join(', ')}`,
        { host: place.server.host, component: componentName },
      );
    await delay(20, undefined, { signal: place.signal });
  }
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter(Boolean);
}

export async function endEarlier(place: Place): Promise<void> {
  await endSessions(place, { where: earlier(place) });
}

/** The JSON value that a query answers with, once nothing of an earlier attempt runs any more. */
export async function askQuietly<T>(place: Place, sql: string, schema: z.ZodType<T>): Promise<T> {
  const answer = await endSessions(place, { where: earlier(place), after: `${sql};` });
  return parseAnswer(answer, schema, place.server.host);
}
