import { BackupError } from '../../model/errors.js';
import type { ArtifactRecord, FailedRecord } from '../../model/metadata.js';
import type { RestoreContext, UnitBackup } from '../restore.js';
import { baselinesOf } from './baseline.js';
import { componentName } from './artifacts.js';
import type { PostgresqlOptions } from './options.js';
import { maximumNameBytes } from './restore-names.js';

export const selectors = {
  database: 'Databases to restore, by the names they have in the archive; the others stay as they are.',
  as: 'The name under which the one selected database is restored, beside the one it was.',
  globals: '`yes`: roles and their rights too, where databases are selected; `no`: not, where none are.',
  physical:
    '`yes`: the whole server as pg_basebackup saved it, in the place of the one that is there, instead of its dumps.',
};

/** What of a unit is restored. */
export interface Selection {
  readonly databases: readonly ChosenDatabase[];
  readonly globals: ArtifactRecord | undefined;
}

export interface ChosenDatabase {
  /** In the archive. */
  readonly name: string;
  /** Under which it is restored. */
  readonly as: string;
  readonly artifact: ArtifactRecord;
}

/** Chooses, and warns of what is left out. Errors: OPTION_INVALID. */
export function choose(context: RestoreContext<PostgresqlOptions>, backup: UnitBackup): Selection {
  const all = backup.artifacts.flatMap((artifact) => {
    const name = artifact.format === 'pg-custom' ? databaseOf(artifact) : undefined;
    return name === undefined ? [] : [{ name, as: name, artifact }];
  });
  const missing = backup.failed.flatMap((one): [string, string][] => {
    const name = databaseOf(one);
    return name === undefined ? [] : [[name, one.reason]];
  });
  const named = context.selected(
    'database',
    all.map(({ name }) => name),
    new Map(missing),
  );
  const databases =
    named === undefined
      ? withoutRepmgr(context, backup, all)
      : all.filter(({ name }) => named.includes(name)).map((one) => ({ ...one, as: otherName(context) ?? one.name }));
  if (named === undefined) {
    otherName(context);
    warnOfFailed(context, backup);
  }
  return { databases, globals: globalsOf(context, backup, named === undefined) };
}

function databaseOf(artifact: Pick<ArtifactRecord, 'path' | 'original'>): string | undefined {
  const title = artifact.original ?? artifact.path.split('/').at(-1) ?? '';
  return /^(?:\d+-)?database-(.*)\.dump$/s.exec(title)?.[1];
}

function invalid(message: string): BackupError {
  return new BackupError('OPTION_INVALID', message, { component: componentName });
}

/** Errors: OPTION_INVALID where `as` cannot be. */
function otherName(context: RestoreContext<PostgresqlOptions>): string | undefined {
  const names = context.selected('as');
  const [name] = names ?? [];
  if (name === undefined) return undefined;
  if (context.selected('database')?.length !== 1 || names?.length !== 1)
    throw invalid('--select postgresql.as needs one name and exactly one --select postgresql.database');
  if (name === '' || name === 'template0' || Buffer.byteLength(name) > maximumNameBytes)
    throw invalid(`--select postgresql.as=${name}: no database can be called so`);
  return name;
}

/** repmgr's own database says who the nodes were, and is written to by its daemons. */
function withoutRepmgr(
  context: RestoreContext<PostgresqlOptions>,
  { unit }: UnitBackup,
  all: readonly ChosenDatabase[],
): readonly ChosenDatabase[] {
  const baselines = baselinesOf(unit.baseline);
  return all.filter(({ name }) => {
    if (baselines[name]?.extensions?.repmgr === undefined) return true;
    context.warn({
      code: 'RESTORE_LEFT_OUT',
      message: `unit ${unit.name}: database ${name} is repmgr's own and is not restored, unless --select postgresql.database=${name} asks for it`,
    });
    return false;
  });
}

function warnOfFailed(context: RestoreContext<PostgresqlOptions>, { unit, failed }: UnitBackup): void {
  for (const { path, reason } of failed)
    context.warn({ code: 'RESTORE_NOT_SAVED', message: `unit ${unit.name}: ${path} is not in the archive: ${reason}` });
}

function globalsOf(
  context: RestoreContext<PostgresqlOptions>,
  { artifacts, failed }: UnitBackup,
  byDefault: boolean,
): ArtifactRecord | undefined {
  const [word = byDefault ? 'yes' : 'no', ...more] = context.selected('globals') ?? [];
  if ((word !== 'yes' && word !== 'no') || more.length > 0)
    throw invalid('--select postgresql.globals is either yes or no');
  const isGlobals = ({ path }: Pick<FailedRecord, 'path'>): boolean => path.endsWith('globals.sql');
  const globals = artifacts.find(isGlobals);
  const reason = failed.find(isGlobals)?.reason;
  const missing = new Map(reason === undefined ? [] : [['yes', reason]]);
  context.selected('globals', globals === undefined ? ['no'] : ['yes', 'no'], missing);
  return word === 'no' ? undefined : globals;
}
