import { BackupError } from '../../model/errors.js';
import type { ArtifactRecord } from '../../model/metadata.js';
import { findMoved } from '../moved-hosts.js';
import type { RestoreContext, UnitBackup } from '../restore.js';
import type { PostgresqlOptions } from './options.js';

type Context = RestoreContext<PostgresqlOptions>;

/**
 * Reports where the members' archived configuration names a host that moved. It is not restored: it belongs to the machine it was on. So one that cannot
 * be read keeps no database from being restored; it is warned of. Errors: ARCHIVE_HOSTILE.
 */
export async function reportMoved(context: Context, { artifacts }: UnitBackup): Promise<void> {
  if (context.moved.length === 0) return;
  for (const artifact of artifacts.filter(({ path }) => path.endsWith('config.tar'))) {
    try {
      await reportOf(context, artifact);
    } catch (error) {
      if (!(error instanceof BackupError) || !['ARCHIVE_CORRUPT', 'EXTRACT_UNSUPPORTED'].includes(error.code))
        throw error;
      context.warn({ code: error.code, message: `not searched for hosts that moved: ${error.message}` });
    }
  }
}

async function reportOf(context: Context, { path, host }: ArtifactRecord): Promise<void> {
  const target = context.target(host).name;
  await context.surveyTar(path, (name, content) => {
    if (!name.endsWith('.conf')) return;
    for (const { line, text, why } of findMoved(content.toString('utf8'), context.moved))
      context.report({
        host: target,
        where: `/${name}:${String(line)}`,
        text,
        why: `${why}; this configuration is of the archive and is not restored: compare it with the host's own by hand`,
      });
  });
}
