import { describeCommand } from '../../host-services/describe-command.js';
import type { Step } from '../restore.js';
import { componentName } from './artifacts.js';
import type { DatabaseBaseline } from './baseline.js';
import type { DumpHead } from './dump-head.js';
import { holdOff } from './hold-off.js';
import { letIn } from './let-in.js';
import { createStatement, loadDatabase, restoreCommand } from './load-database.js';
import type { Target } from './restore-target.js';
import type { Server } from './server.js';
import { quoteName } from './sql-text.js';
import { swapDatabases } from './swap-databases.js';
import { verifyDatabase } from './verify-database.js';

/** One database: from where to where. */
export interface DatabasePlan {
  /** In the archive. */
  readonly name: string;
  /** Under which it is restored. */
  readonly as: string;
  readonly newName: string;
  readonly oldName: string;
  readonly dump: string;
  readonly head: DumpHead;
  readonly baseline: DatabaseBaseline;
  /** What has the name now: clients have to be held off, only moved aside, or nothing. */
  readonly present: 'used' | 'closed' | 'absent';
  /** Connected to while it is renamed. */
  readonly server: Server;
}

/** The steps of one database, in order. They are undone together, and no other's with them. */
export function databaseSteps(target: Target, plan: DatabasePlan, after: readonly string[]): readonly Step[] {
  const set = setOf(target, plan.as);
  const steps = [
    loadStep(target, plan),
    verifyStep(target, plan),
    ...(plan.present === 'used' ? [holdOffStep(plan)] : []),
    swapStep(plan),
    letInStep(plan),
  ];
  return steps.map(({ name, ...step }, index) => ({
    id: `${set}/${name}`,
    set,
    host: plan.server.host,
    after: index === 0 ? after : [],
    ...step,
  }));
}

/** With the port where the host has several servers. */
export function setOf({ label }: Target, what: string): string {
  return `${componentName}@${label}/${what}`;
}

type Part = Omit<Step, 'id' | 'set' | 'host' | 'after'> & { readonly name: string };

function loadStep({ remote, facts }: Target, { server, newName, dump, name, head, as }: DatabasePlan): Part {
  const params = {
    server,
    newName,
    dump,
    database: name,
    createOptions: createOptions(head, facts.versionNumber),
    owner: head.owner,
  };
  return {
    name: 'load',
    kind: loadDatabase.name,
    params,
    title: `Load ${as} as ${newName}, beside what is there`,
    preview: [
      `${createStatement(params)};`,
      `${describeCommand(remote, restoreCommand(server, newName))} <${dump}`,
      'ANALYZE;',
      `-- settings, rights and comment of the database itself, from ${dump}`,
    ],
    reads: [dump],
  };
}

/**
 * From 15 on CREATE DATABASE leaves holes in the new files unless told to copy them (source: RelationCopyStorageUsingBuffer in PostgreSQL's bufmgr.c). A disk that
 * is too full for them would be found out only by a later checkpoint, when clients are in and no checkpoint of the server can end any more.
 */
function createOptions(head: DumpHead, versionNumber: number): string {
  return versionNumber >= 150_000 ? `${head.createOptions} STRATEGY = file_copy` : head.createOptions;
}

function verifyStep(
  { facts, options, catalogue }: Target,
  { server, newName, name, head, baseline }: DatabasePlan,
): Part {
  return {
    name: 'verify',
    kind: verifyDatabase.name,
    params: {
      server,
      newName,
      database: name,
      owner: head.owner,
      versionNumber: facts.versionNumber,
      countRows: options.count_rows,
      baseline: withoutUndefined(baseline),
      standbys: catalogue.standbys,
    },
    title: `Compare ${newName} with what the backup counted in ${name}`,
    preview: [],
    reads: [],
  };
}

/** As JSON has it. */
function withoutUndefined(baseline: DatabaseBaseline): Readonly<Record<string, never>> {
  return JSON.parse(JSON.stringify(baseline)) as Readonly<Record<string, never>>;
}

function holdOffStep({ server, newName, as }: DatabasePlan): Part {
  return {
    name: 'hold-off',
    kind: holdOff.name,
    params: { server, newName, name: as },
    title: `Hold off clients of ${as} and end their sessions`,
    preview: [`ALTER DATABASE ${quoteName(as)} ALLOW_CONNECTIONS false;`, 'SELECT pg_terminate_backend(...);'],
    reads: [],
    isDestructive: true,
    beginsDowntime: `clients of database ${as}`,
  };
}

function swapStep({ server, newName, oldName, as, present }: DatabasePlan): Part {
  const isThere = present !== 'absent';
  return {
    name: 'swap',
    kind: swapDatabases.name,
    params: { server, newName, oldName, name: as },
    title: isThere ? `Rename ${as} to ${oldName}, and ${newName} to ${as}` : `Rename ${newName} to ${as}`,
    preview: [
      'BEGIN;',
      ...(isThere ? [`ALTER DATABASE ${quoteName(as)} RENAME TO ${quoteName(oldName)};`] : []),
      `ALTER DATABASE ${quoteName(newName)} RENAME TO ${quoteName(as)};`,
      'COMMIT;',
    ],
    reads: [],
    ...(isThere && { isDestructive: true }),
  };
}

function letInStep({ server, newName, oldName, as, head, baseline, present }: DatabasePlan): Part {
  const { encoding } = baseline;
  return {
    name: 'let-in',
    kind: letIn.name,
    params: { server, newName, name: as, oldName, owner: head.owner, ...(encoding !== undefined && { encoding }) },
    title: `Check ${as} and let clients in`,
    preview: [`ALTER DATABASE ${quoteName(as)} ALLOW_CONNECTIONS true;`],
    reads: [],
    ...(present === 'used' && { endsDowntime: true }),
  };
}
