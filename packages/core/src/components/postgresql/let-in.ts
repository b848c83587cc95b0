import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { alter, close, databaseNamed, databaseWithOid, requireOld } from './pg-databases.js';
import { endEarlier, execute, placeOf, serverSchema } from './sql-session.js';

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
    const place = await placeOf(context, server, newName);
    const database = await databaseNamed(place, name);
    const isRight =
      database?.owner === owner &&
      (encoding === undefined || database.encoding === encoding) &&
      !database.allow &&
      (await databaseNamed(place, newName)) === undefined;
    if (!isRight)
      throw new BackupError(
        'RESTORE_CHECK',
        `${server.host}: database ${name} is not the one that was loaded: ${database === undefined ? 'there is none' : `its owner is ${database.owner}, its encoding ${database.encoding}, connections are ${database.allow ? '' : 'not '}allowed`}`,
        { host: server.host, component: componentName },
      );
    return { oid: database.oid, oldOid: (await databaseNamed(place, oldName))?.oid ?? null };
  },
  async apply(context, { server, newName }, { oid }) {
    const place = await placeOf(context, server, newName);
    await endEarlier(place);
    await execute(place, { sql: alter(oid, 'ALTER DATABASE %I ALLOW_CONNECTIONS true') });
  },
  async probe(context, { server, newName }, { oid }) {
    const database = await databaseWithOid(await placeOf(context, server, newName), oid);
    return database?.allow === true ? 'done' : 'not done';
  },
  async revert(context, { server, newName, name }, { oid, oldOid }) {
    const place = await placeOf(context, server, newName);
    await endEarlier(place);
    // Nobody is held off for what cannot be put back.
    if (oldOid !== null) await requireOld(place, name, oldOid);
    if ((await databaseWithOid(place, oid)) !== undefined) await close(place, oid);
  },
};
