import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { StepContext, StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { baselineSchema, compare, type DatabaseBaseline } from './baseline.js';
import { loaded, verified } from './load-database.js';
import { alter, databaseNamed, markStatement } from './pg-databases.js';
import { Session } from './snapshot.js';
import { ask, execute, placeOf, serverSchema, type Place } from './sql-session.js';

const paramsSchema = z.object({
  server: serverSchema,
  newName: z.string(),
  /** In the archive. */
  database: z.string(),
  owner: z.string(),
  versionNumber: z.number(),
  /** As the option `count_rows`. */
  countRows: z.number(),
  baseline: baselineSchema,
  /** Standbys that streamed when the plan was made. */
  standbys: z.array(z.string()),
});
type VerifyParams = z.infer<typeof paramsSchema>;

const standbySeconds = 30;

/** Compares a loaded database with what the backup counted, before anybody is held off for it. */
export const verifyDatabase: StepKind<VerifyParams, null> = {
  name: 'postgresql.verify-database',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    const place = await placeOf(context, params.server, params.newName);
    const database = await databaseNamed(place, params.newName);
    if (database?.owner !== params.owner)
      throw checkError(params, [`its owner is ${database?.owner ?? 'unknown'}, was ${params.owner}`]);
    judge(context, params, await count(context, params));
    await expectStandbys(place, params);
    await execute(place, { sql: alter(database.oid, markStatement(verified)) });
  },
  async probe(context, { server, newName }) {
    const place = await placeOf(context, server, newName);
    return (await databaseNamed(place, newName))?.mark === verified ? 'done' : 'not done';
  },
  async revert(context, { server, newName }) {
    const place = await placeOf(context, server, newName);
    const database = await databaseNamed(place, newName);
    if (database?.mark === verified) await execute(place, { sql: alter(database.oid, markStatement(loaded)) });
  },
};

/** By the same session and statements as the backup's. */
async function count(context: StepContext, params: VerifyParams): Promise<DatabaseBaseline> {
  const { server, newName, versionNumber, countRows } = params;
  await using session = await Session.open({
    remote: await context.remote(server.host),
    server,
    database: newName,
    versionNumber,
    signal: context.signal,
  });
  await session.exportSnapshot();
  return baselineSchema.parse((await session.baseline(countRows)).counts);
}

function judge(context: StepContext, params: VerifyParams, loaded: DatabaseBaseline): void {
  const { differences, sequences, versions, notCompared } = compare(params.baseline, loaded);
  if (differences.length > 0) throw checkError(params, differences);
  const { server, database } = params;
  const warn = (code: string, what: string): void =>
    context.warn({ code, message: `${server.host}: database ${database}: ${what}` });
  if (notCompared > 0) warn('RESTORE_NOT_COMPARED', `the rows of ${notCompared} tables were not compared`);
  if (sequences.length > 0)
    warn('RESTORE_SEQUENCES', `sequences are where the dump has them, the backup saw others: ${nameList(sequences)}`);
  if (versions.length > 0) warn('RESTORE_EXTENSIONS', `extensions in other versions: ${nameList(versions)}`);
}

function checkError({ server, database }: VerifyParams, differences: readonly string[]): BackupError {
  return new BackupError(
    'RESTORE_CHECK',
    `${server.host}: the loaded database ${database} is not what was backed up: ${nameList(differences)}`,
    { host: server.host, component: componentName },
  );
}

/** Those that stream now, by address and name. */
export const standbysSql = `SELECT coalesce(json_agg(DISTINCT concat_ws(' ', application_name, client_addr::text)), '[]') FROM pg_stat_replication WHERE state = 'streaming'`;

/** What cannot be replayed on a standby (a directory that is missing there) stops it: better seen before the swap. */
async function expectStandbys(place: Place, { standbys, server }: VerifyParams): Promise<void> {
  const deadline = performance.now() + standbySeconds * 1000;
  for (;;) {
    const now = standbys.length === 0 ? [] : await ask(place, standbysSql, z.array(z.string()));
    const lost = standbys.filter((standby) => !now.includes(standby));
    if (lost.length === 0) return;
    if (performance.now() > deadline)
      throw new BackupError(
        'RESTORE_CHECK',
        `${server.host}: standbys that streamed before the restore do not any more: ${nameList(lost)}`,
        { host: server.host, component: componentName, hint: "The standby's log says why." },
      );
    await delay(500, undefined, { signal: place.signal });
  }
}
