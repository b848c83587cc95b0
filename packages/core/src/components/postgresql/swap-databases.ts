import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { StepKind, StepState } from '../restore.js';
import { componentName } from './artifacts.js';
import { alter, close, drop, look, markStatement, requireUnchanged } from './pg-databases.js';
import { loaded } from './load-database.js';
import { execute, placeOf, serverSchema, transaction, type Place } from './sql-session.js';
import { quoteName } from './sql-text.js';

const paramsSchema = z.object({
  server: serverSchema,
  newName: z.string(),
  /** Under which it is restored. */
  name: z.string(),
  /** Under which what was there before is kept. */
  oldName: z.string(),
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
    const there = await look(await placeOf(context, server, newName), { names: [newName, name] });
    const fresh = there.find((one) => one.name === newName);
    const old = there.find((one) => one.name === name);
    if (fresh === undefined) throw refusal(server.host, `the loaded database ${newName} is gone`);
    if (old?.allow === true) throw refusal(server.host, `database ${name} was created while its restore was under way`);
    return { newOid: fresh.oid, oldOid: old?.oid ?? null };
  },
  async apply(context, params, undo) {
    const place = await placeOf(context, params.server, params.newName);
    if ((await stateOf(place, params, undo)) === 'done') return;
    const { name, oldName } = params;
    await close(place, undo.newOid, undo.oldOid);
    await execute(place, {
      sql: transaction([
        ...(undo.oldOid === null ? [] : [rename(undo.oldOid, oldName)]),
        rename(undo.newOid, name),
        alter(undo.newOid, markStatement(undefined)),
      ]),
    });
  },
  async probe(context, params, undo) {
    return stateOf(await placeOf(context, params.server, params.newName), params, undo);
  },
  async revert(context, params, undo) {
    const place = await placeOf(context, params.server, params.newName);
    const { name, newName } = params;
    await requireUnchanged(place, params, undo);
    if ((await stateOf(place, params, undo)) === 'not done') return;
    await close(place, undo.newOid, undo.oldOid);
    await execute(place, {
      sql: transaction([
        rename(undo.newOid, newName),
        ...(undo.oldOid === null ? [] : [rename(undo.oldOid, name)]),
        alter(undo.newOid, markStatement(loaded)),
      ]),
    });
  },
  old: {
    describe: ({ name, oldName }, { oldOid }) =>
      oldOid === null ? undefined : `database ${name} as it was, renamed to ${oldName}`,
    async drop(context, { server, newName }, { oldOid }) {
      if (oldOid !== null) await drop(await placeOf(context, server, newName), oldOid);
    },
  },
};

/** By oid: somebody may have given the name to another database since. It fails where that is in the way. */
function rename(oid: number, to: string): string {
  return alter(oid, `ALTER DATABASE %I RENAME TO ${quoteName(to).replaceAll('%', '%%')}`);
}

async function stateOf(place: Place, params: SwapParams, undo: SwapUndo): Promise<StepState> {
  const there = await look(place, { oids: [undo.newOid, undo.oldOid] });
  if (there.find(({ oid }) => oid === undo.newOid)?.name === params.name) return 'done';
  // Also where the loaded one was dropped since.
  if (undo.oldOid === null) return 'not done';
  return there.find(({ oid }) => oid === undo.oldOid)?.name === params.name ? 'not done' : 'half';
}

function refusal(host: string, what: string): BackupError {
  return new BackupError('RESTORE_REFUSED', `${host}: ${what}`, { host, component: componentName });
}
