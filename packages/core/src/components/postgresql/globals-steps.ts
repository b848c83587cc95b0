import { describeCommand } from '../../host-services/describe-command.js';
import { escapePiece } from '../../model/names.js';
import type { Step } from '../restore.js';
import { createTablespace, tablespaceStatement } from './create-tablespace.js';
import { setOf } from './database-steps.js';
import type { Tablespace } from './globals.js';
import { restoreGlobals } from './restore-globals.js';
import { newName } from './restore-names.js';
import type { Target } from './restore-target.js';
import { psqlCommand } from './server.js';

export interface GlobalsRequest {
  readonly runId: string;
  /** In the archive. */
  readonly path: string;
  /** Those that the server lacks. */
  readonly tablespaces: readonly Tablespace[];
}

/** Tablespaces one by one, because they cannot be made in a transaction; then roles and everything else. */
export function globalsSteps(target: Target, { runId, path, tablespaces }: GlobalsRequest): readonly Step[] {
  const { server, remote, label } = target;
  const set = setOf(target, 'globals');
  const sessions = `${newName(runId, 0)}_globals`;
  const keep = `/var/lib/lsbackup/restores/${escapePiece(runId)}/postgresql-${escapePiece(label)}-globals.sql`;
  return [
    ...tablespaces.map(({ name, location }): Step => ({
      id: `${set}/tablespace ${name}`,
      kind: createTablespace.name,
      params: { server, sessions, name, location },
      set,
      after: [],
      host: server.host,
      title: `Create tablespace ${name} in ${location}`,
      preview: [`${tablespaceStatement({ name, location })};`],
      reads: [],
    })),
    {
      id: `${set}/roles`,
      kind: restoreGlobals.name,
      params: { server, sessions, globals: path, keep, tablespaces: tablespaces.map(({ name }) => name) },
      set,
      after: [],
      host: server.host,
      title: `Make the roles those of the archive; those of now are kept in ${keep}`,
      preview: [`${describeCommand(remote, psqlCommand(server, server.database))} <${path}`],
      reads: [path],
      isDestructive: true,
    },
  ];
}
