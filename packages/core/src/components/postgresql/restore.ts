import { buffer } from 'node:stream/consumers';
import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { ArtifactRecord } from '../../model/metadata.js';
import type { RestoreContext, Step, UnitBackup } from '../restore.js';
import { componentName } from './artifacts.js';
import { baselinesOf } from './baseline.js';
import { databaseSteps, type DatabasePlan } from './database-steps.js';
import { readDumpHead } from './dump-head.js';
import { parseGlobals, type Globals, type Tablespace } from './globals.js';
import { globalsSteps } from './globals-steps.js';
import { refusePrepared } from './hold-off.js';
import type { PostgresqlOptions } from './options.js';
import { isPhysical, restorePhysical } from './physical-restore.js';
import { reportMoved } from './report-moved.js';
import { missingDirectories, refuseMissing } from './restore-checks.js';
import { newName, oldName } from './restore-names.js';
import { choose, type ChosenDatabase } from './restore-selection.js';
import { findTarget, type Target } from './restore-target.js';
import type { Server } from './server.js';

type Context = RestoreContext<PostgresqlOptions>;

/**
 * Roles first, then each database by itself beside the one that is there. The database that the steps of the others are connected to comes last,
 * because nobody can be connected to what is renamed. Where it is selected, the whole server instead.
 */
export async function restore(context: Context, backup: UnitBackup): Promise<readonly Step[]> {
  if (isPhysical(context)) return restorePhysical(context, backup);
  const selection = choose(context, backup);
  const target = await findTarget(context, backup);
  const globals = await readGlobals(context, selection.globals);
  const plans: DatabasePlan[] = [];
  for (const [index, database] of selection.databases.entries())
    plans.push(await planDatabase(context, target, { backup, database, number: index + 1 }));
  await refuseMissing(context, target, { globals, plans });
  warnOfReplication(context, target, plans);
  const tablespaces = await newTablespaces(context, target, { globals, plans });
  await reportMoved(context, backup);
  const first =
    selection.globals === undefined
      ? []
      : globalsSteps(target, { runId: context.runId, path: selection.globals.path, tablespaces });
  return [...first, ...stepsOf(target, plans, first)];
}

function stepsOf(target: Target, plans: readonly DatabasePlan[], first: readonly Step[]): readonly Step[] {
  const afterFirst = lastOf(first);
  const isLast = ({ as }: DatabasePlan): boolean => as === target.server.database;
  const others = plans.filter((plan) => !isLast(plan)).map((plan) => databaseSteps(target, plan, afterFirst));
  const after = others.length === 0 ? afterFirst : others.flatMap(lastOf);
  return [...others.flat(), ...plans.filter(isLast).flatMap((plan) => databaseSteps(target, plan, after))];
}

function lastOf(steps: readonly Step[]): readonly string[] {
  return steps.slice(-1).map(({ id }) => id);
}

async function readGlobals(context: Context, artifact: ArtifactRecord | undefined): Promise<Globals | undefined> {
  return artifact && parseGlobals(await buffer(await context.read(artifact.path)), artifact.path);
}

async function planDatabase(
  context: Context,
  target: Target,
  {
    backup,
    database,
    number,
  }: { readonly backup: UnitBackup; readonly database: ChosenDatabase; readonly number: number },
): Promise<DatabasePlan> {
  const { name, as, artifact } = database;
  const { facts, catalogue, server } = target;
  const now = facts.databases.find((one) => one.name === as);
  if (now?.valid === false)
    throw new BackupError(
      'RESTORE_REFUSED',
      `${server.host}: database ${as} is invalid: a DROP DATABASE was interrupted`,
      {
        host: server.host,
        component: componentName,
        hint: 'Drop it.',
      },
    );
  refusePrepared(server.host, as, catalogue.prepared[as] ?? []);
  return {
    name,
    as,
    newName: newName(context.runId, number),
    oldName: oldName(context.runId, as, number),
    dump: artifact.path,
    head: await readDumpHead(await context.read(artifact.path), artifact.path),
    baseline: baselinesOf(backup.unit.baseline)[name] ?? {},
    present: now === undefined ? 'absent' : now.connectable ? 'used' : 'closed',
    server: elsewhere(target, as),
  };
}

/** The server by way of a database that is not the one being restored. Errors: RESTORE_REFUSED when there is none. */
function elsewhere({ server, facts }: Target, name: string): Server {
  const other = [server.database, 'postgres', 'template1'].find(
    (one) => one !== name && facts.databases.some((database) => database.name === one && database.connectable),
  );
  if (other !== undefined) return { ...server, database: other };
  throw new BackupError(
    'RESTORE_REFUSED',
    `${server.host}: there is no database to be connected to while ${name} is replaced`,
    { host: server.host, component: componentName, hint: 'Name one with the option postgresql.maintenance_database.' },
  );
}

function warnOfReplication(context: Context, { server, catalogue }: Target, plans: readonly DatabasePlan[]): void {
  for (const { as } of plans) {
    const names = catalogue.replication[as] ?? [];
    if (names.length > 0)
      context.warn({
        code: 'RESTORE_REPLICATION',
        message: `${server.host}: logical replication of database ${as} stays with the database that is moved aside, and stops: ${nameList(names)}`,
      });
  }
}

/** Those to be created. One whose directory is missing is refused where a database needs it, else left out. */
async function newTablespaces(
  context: Context,
  target: Target,
  { globals, plans }: { readonly globals: Globals | undefined; readonly plans: readonly DatabasePlan[] },
): Promise<readonly Tablespace[]> {
  const { server, catalogue } = target;
  const lacking = (globals?.tablespaces ?? []).filter(({ name }) => !catalogue.tablespaces.includes(name));
  const locations = lacking.map(({ location }) => location);
  const missing = await missingDirectories(context, target, locations);
  return lacking.filter(({ name, location }) => {
    if (!missing.includes(location)) return true;
    const message = `${server.host}: tablespace ${name} cannot be created: there is no directory ${location}`;
    const user = plans.find(({ head }) => head.tablespaces.includes(name));
    if (user !== undefined)
      throw new BackupError('RESTORE_REFUSED', `${message}, and database ${user.name} lies in it`, {
        host: server.host,
        component: componentName,
        hint: `Make it, owned by ${server.user} and empty, on every member.`,
      });
    context.warn({ code: 'RESTORE_LEFT_OUT', message });
    return false;
  });
}
