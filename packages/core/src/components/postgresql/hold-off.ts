import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { StepKind } from '../restore.js';
import { componentName } from './artifacts.js';
import { alter, close, databaseNamed, databaseWithOid } from './pg-databases.js';
import { endEarlier, execute, placeOf, serverSchema } from './sql-session.js';

const paramsSchema = z.object({ server: serverSchema, newName: z.string(), name: z.string() });
type HoldOffParams = z.infer<typeof paramsSchema>;
const undoSchema = z.object({ oid: z.number() });

/**
 * Lets no client into the database that will be replaced, and ends their sessions. Planned only for one that is there and lets them in, so that what is
 * done can be told from what is not.
 */
export const holdOff: StepKind<HoldOffParams, z.infer<typeof undoSchema>> = {
  name: 'postgresql.hold-off-clients',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, { server, newName, name }) {
    const database = await databaseNamed(await placeOf(context, server, newName), name);
    if (database?.allow !== true)
      throw new BackupError(
        'RESTORE_REFUSED',
        `${server.host}: database ${name} ${database === undefined ? 'was dropped' : 'stopped accepting connections'} since the plan was made`,
        { host: server.host, component: componentName, hint: 'Start the restore again.' },
      );
    refusePrepared(server.host, name, database.prepared);
    return { oid: database.oid };
  },
  async apply(context, { server, newName }, { oid }) {
    await close(await placeOf(context, server, newName), oid);
  },
  async probe(context, { server, newName }, { oid }) {
    const database = await databaseWithOid(await placeOf(context, server, newName), oid);
    if (database === undefined || database.allow) return 'not done';
    return database.sessions === 0 ? 'done' : 'half';
  },
  async revert(context, { server, newName }, { oid }) {
    const place = await placeOf(context, server, newName);
    await endEarlier(place);
    await execute(place, { sql: alter(oid, 'ALTER DATABASE %I ALLOW_CONNECTIONS true') });
  },
};

/** Errors: RESTORE_REFUSED: nobody can rename a database that has prepared transactions. */
export function refusePrepared(host: string, name: string, prepared: readonly string[]): void {
  if (prepared.length === 0) return;
  throw new BackupError(
    'RESTORE_REFUSED',
    `${host}: database ${name} has prepared transactions, so it cannot be moved aside: ${nameList(prepared)}`,
    { host, component: componentName, hint: 'End each with COMMIT PREPARED or ROLLBACK PREPARED.' },
  );
}
