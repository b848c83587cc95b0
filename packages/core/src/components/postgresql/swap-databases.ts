import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { StepContext, StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { readDumpHead } from './dump-head.js';
import { close, databaseNamed, databaseWithOid, drop, requireOld } from './pg-databases.js';
import { endEarlier, execute, placeOf, serverSchema, transaction, type Place } from './sql-session.js';
import { quoteName, withName } from './sql-text.js';

const paramsSchema = z.object({
  server: serverSchema,
  newName: z.string(),
  /** Under which it is restored. */
  name: z.string(),
  /** Under which what was there before is kept. */
  oldName: z.string(),
  dump: z.string(),
});
type SwapParams = z.infer<typeof paramsSchema>;
const undoSchema = z.object({ newOid: z.number(), oldOid: z.number().nullable() });
type SwapUndo = z.infer<typeof undoSchema>;

/** Gives the loaded database its name, and what had it another one, in one transaction. Nobody is let in yet. */
export const swapDatabases: StepKind<SwapParams, SwapUndo> = {
  name: 'postgresql.swap-databases',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, { server, newName, name }) {
    const place = await placeOf(context, server, newName);
    const loaded = await databaseNamed(place, newName);
    const old = await databaseNamed(place, name);
    if (loaded === undefined) throw refusal(server.host, `the loaded database ${newName} is gone`);
    if (old?.allow === true) throw refusal(server.host, `database ${name} was created while its restore was under way`);
    return { newOid: loaded.oid, oldOid: old?.oid ?? null };
  },
  async apply(context, params, undo) {
    const place = await quietPlace(context, params);
    if ((await stateOf(place, params, undo)) === 'done') return;
    const { name, newName, oldName, dump } = params;
    const head = await readDumpHead(await context.read(dump), dump);
    await close(place, undo.newOid);
    if (undo.oldOid !== null) await close(place, undo.oldOid);
    await execute(place, {
      sql: transaction([
        ...(undo.oldOid === null ? [] : [rename(name, oldName)]),
        rename(newName, name),
        // Marks and limits of the loading.
        `COMMENT ON DATABASE ${quoteName(name)} IS NULL;`,
        `ALTER DATABASE ${quoteName(name)} CONNECTION LIMIT -1;`,
        ...head.statements.map((statement) => withName(statement, ['DATABASE', head.name], name)),
      ]),
    });
  },
  async probe(context, params, undo) {
    return stateOf(await quietPlace(context, params), params, undo);
  },
  async revert(context, params, undo) {
    const place = await quietPlace(context, params);
    const { name, newName, oldName } = params;
    if (undo.oldOid !== null) await requireOld(place, name, undo.oldOid);
    if ((await stateOf(place, params, undo)) === 'not done') return;
    await close(place, undo.newOid);
    if (undo.oldOid !== null) await close(place, undo.oldOid);
    await execute(place, {
      sql: transaction([rename(name, newName), ...(undo.oldOid === null ? [] : [rename(oldName, name)])]),
    });
  },
  old: {
    describe: ({ server, name, oldName }, { oldOid }) =>
      oldOid === null ? undefined : `${server.host}: database ${name} as it was, renamed to ${oldName}`,
    async drop(context, { server, newName }, { oldOid }) {
      if (oldOid !== null) await drop(await placeOf(context, server, newName), oldOid);
    },
  },
};

async function quietPlace(context: StepContext, { server, newName }: SwapParams): Promise<Place> {
  const place = await placeOf(context, server, newName);
  await endEarlier(place);
  return place;
}

/** A name stands for what was there when the step began, or the statement fails. */
function rename(from: string, to: string): string {
  return `ALTER DATABASE ${quoteName(from)} RENAME TO ${quoteName(to)};`;
}

async function stateOf(place: Place, params: SwapParams, undo: SwapUndo): Promise<'done' | 'not done' | 'half'> {
  const loaded = (await databaseWithOid(place, undo.newOid))?.name;
  const old = undo.oldOid === null ? undefined : (await databaseWithOid(place, undo.oldOid))?.name;
  if (loaded === params.name) return 'done';
  // Also where the loaded one was dropped since.
  if (undo.oldOid === null || old === params.name) return 'not done';
  return 'half';
}

function refusal(host: string, what: string): BackupError {
  return new BackupError('RESTORE_REFUSED', `${host}: ${what}`, { host, component: componentName });
}
