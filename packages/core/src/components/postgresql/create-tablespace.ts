import { z } from 'zod';
import type { StepKind } from '../restore.js';
import { ask, endEarlier, execute, placeOf, run, runStatement, serverSchema, type Place } from './sql-session.js';
import { quoteName, quoteText } from './sql-text.js';

const paramsSchema = z.object({ server: serverSchema, sessions: z.string(), name: z.string(), location: z.string() });
type TablespaceParams = z.infer<typeof paramsSchema>;

export function tablespaceStatement({ name, location }: Pick<TablespaceParams, 'name' | 'location'>): string {
  return `CREATE TABLESPACE ${quoteName(name)} LOCATION ${quoteText(location)}`;
}

/** A tablespace that the server does not have; its owner and rights come with the globals. It cannot be made in their transaction. */
export const createTablespace: StepKind<TablespaceParams, null> = {
  name: 'postgresql.create-tablespace',
  params: paramsSchema,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    const place = await placeOf(context, params.server, params.sessions);
    await endEarlier(place);
    if (!(await exists(place, params))) await execute(place, { sql: runStatement(tablespaceStatement(params)) });
  },
  async probe(context, params) {
    const place = await placeOf(context, params.server, params.sessions);
    await endEarlier(place);
    return (await exists(place, params)) ? 'done' : 'not done';
  },
  async revert(context, params) {
    const place = await placeOf(context, params.server, params.sessions);
    await endEarlier(place);
    const query = `SELECT format('DROP TABLESPACE %I', spcname) FROM pg_tablespace WHERE spcname = ${quoteText(params.name)}`;
    await execute(place, { sql: run(query) });
  },
};

function exists(place: Place, { name }: TablespaceParams): Promise<boolean> {
  return ask(
    place,
    `SELECT to_json(EXISTS (SELECT FROM pg_tablespace WHERE spcname = ${quoteText(name)}))`,
    z.boolean(),
  );
}
