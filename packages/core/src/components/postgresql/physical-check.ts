import { z } from 'zod';
import { askState, script } from '../../host-steps/stage-files.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { StepContext, StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { baselineSchema, compare, type DatabaseBaseline } from './baseline.js';
import { readFacts } from './facts.js';
import { placeSchema } from './physical-service.js';
import { Session } from './snapshot.js';

const paramsSchema = z.object({
  place: placeSchema,
  directory: z.string().startsWith('/'),
  systemIdentifier: z.string(),
  versionNumber: z.number(),
  /** As the option `count_rows`. */
  countRows: z.number(),
  /** Each of them must be there; those that let somebody in, too. */
  databases: z.array(z.object({ name: z.string(), connectable: z.boolean() })).readonly(),
  /** By database: what the dumps of the same backup counted. */
  baselines: z.record(z.string(), baselineSchema),
});
export type CheckServer = z.infer<typeof paramsSchema>;

const mark = ': > "$1/checked"';
const unmark = 'rm -f -- "$1/checked"';
const probeScript = 'if [ -e "$1/checked" ]; then echo done; else echo "not done"; fi';

/**
 * Looks whether it is the server that was backed up, with all its databases. The backup's counts were taken in snapshots of other moments than the one that a base
 * backup is of, its end: a difference is told, and no failure.
 */
export const checkServer: StepKind<CheckServer, null> = {
  name: 'postgresql.check-server',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    const { place, directory, systemIdentifier, databases } = params;
    const remote = await context.remote(place.host);
    const facts = await readFacts(remote, place, context.signal);
    if (facts.recovery || facts.systemIdentifier !== systemIdentifier)
      throw checkError(
        params,
        facts.recovery ? 'it is in recovery' : `its system identifier is ${facts.systemIdentifier}`,
      );
    const names = facts.databases.map(({ name }) => name);
    const missing = databases.filter(({ name }) => !names.includes(name)).map(({ name }) => name);
    if (missing.length > 0) throw checkError(params, `databases are missing: ${nameList(missing)}`);
    for (const { name, connectable } of databases) if (connectable) await checkDatabase(context, params, name);
    await remote.run(script(mark, directory), { signal: context.signal });
  },
  probe: (context, { place, directory }) => askState(context, place.host, script(probeScript, directory)),
  async revert(context, { place, directory }) {
    await (await context.remote(place.host)).run(script(unmark, directory), { signal: context.signal });
  },
};

async function checkDatabase(context: StepContext, params: CheckServer, database: string): Promise<void> {
  const { place, versionNumber, countRows } = params;
  const baseline = params.baselines[database];
  const remote = await context.remote(place.host);
  let session: Session;
  try {
    session = await Session.open({ remote, server: place, database, versionNumber, signal: context.signal });
  } catch (cause) {
    throw checkError(params, `database ${database} lets nobody in: ${asBackupError(cause).message}`);
  }
  await using held = session;
  if (baseline === undefined) return;
  await held.exportSnapshot();
  tell(context, params, { database, baseline, now: baselineSchema.parse((await held.baseline(countRows)).counts) });
}

interface Counted {
  readonly database: string;
  readonly baseline: DatabaseBaseline;
  readonly now: DatabaseBaseline;
}

function tell(context: StepContext, { place }: CheckServer, { database, baseline, now }: Counted): void {
  const { differences, sequences, notCompared } = compare(baseline, now);
  const warn = (code: string, what: string): void =>
    context.warn({ code, message: `${place.host}: database ${database}: ${what}` });
  if (notCompared > 0) warn('RESTORE_NOT_COMPARED', `the rows of ${String(notCompared)} tables were not compared`);
  const changed = [...differences, ...sequences];
  if (changed.length > 0)
    warn('RESTORE_DIFFERENCES', `as at the end of the backup, its dump was made before: ${nameList(changed)}`);
}

function checkError({ place }: CheckServer, what: string): BackupError {
  return new BackupError('RESTORE_CHECK', `${place.host}: the restored server is not what was backed up: ${what}`, {
    host: place.host,
    component: componentName,
  });
}
