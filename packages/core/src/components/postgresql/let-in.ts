import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { alter, close, databaseWithOid, look, requireUnchanged } from './pg-databases.js';
import { execute, placeOf, serverSchema } from './sql-session.js';

const paramsSchema = z.object({
  server: serverSchema,
  newName: z.string(),
  name: z.string(),
  /** Under which what was there before is kept. */
  oldName: z.string(),
  owner: z.string(),
  encoding: z.string().optional(),
});
type LetInParams = z.infer<typeof paramsSchema>;
const undoSchema = z.object({ oid: z.number(), oldOid: z.number().nullable() });

/** Checks the swapped database once more, and lets clients in. From here on the new data change. */
export const letIn: StepKind<LetInParams, z.infer<typeof undoSchema>> = {
  name: 'postgresql.let-in-clients',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, { server, newName, name, oldName, owner, encoding }) {
    const there = await look(await placeOf(context, server, newName), { names: [name, newName, oldName] });
    const database = there.find((one) => one.name === name);
    const isRight =
      database?.owner === owner &&
      (encoding === undefined || database.encoding === encoding) &&
      !database.allow &&
      !there.some((one) => one.name === newName);
    if (!isRight)
      throw new BackupError(
        'RESTORE_CHECK',
        `${server.host}: database ${name} is not the one that was loaded: ${database === undefined ? 'there is none' : `its owner is ${database.owner}, its encoding ${database.encoding}, connections are ${database.allow ? '' : 'not '}allowed`}`,
        { host: server.host, component: componentName },
      );
    return { oid: database.oid, oldOid: there.find((one) => one.name === oldName)?.oid ?? null };
  },
  async apply(context, { server, newName }, { oid }) {
    await execute(await placeOf(context, server, newName), {
      sql: alter(oid, 'ALTER DATABASE %I ALLOW_CONNECTIONS true'),
    });
  },
  async probe(context, { server, newName }, { oid }) {
    const database = await databaseWithOid(await placeOf(context, server, newName), oid);
    return database?.allow === true ? 'done' : 'not done';
  },
  async revert(context, { server, newName, name }, { oid, oldOid }) {
    const place = await placeOf(context, server, newName);
    // Nobody is held off for what cannot be put back.
    await requireUnchanged(place, { name, newName }, { newOid: oid, oldOid });
    await close(place, oid);
  },
};
