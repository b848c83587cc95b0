import { sqlFormat } from '../../formats/sql.js';
import { filesArtifact } from '../../host-files/found-files.js';
import { artifactPath } from '../../model/names.js';
import type { BackupContext, Unit } from '../component.js';
import { componentName, configurationPath, configurationPolicy, type PostgresqlFound } from './artifacts.js';
import { all, saveAllDatabases, type Work } from './databases.js';
import type { PostgresqlOptions } from './options.js';
import { savePhysical } from './physical-backup.js';
import { globalsCommand } from './server.js';

/**
 * Saves roles, every database, and the configuration of every member. Databases that were created meanwhile are saved too. Each is of use
 * alone: a table that somebody keeps locked costs its own database only.
 */
export async function backup(context: BackupContext<PostgresqlOptions>, unit: Unit<PostgresqlFound>): Promise<void> {
  const { found } = unit;
  const host = context.host(found.server.host);
  const work: Work = { context, found, remote: await context.remote(host), options: context.optionsFor(host) };
  await all([
    saveGlobals(work),
    saveServer(work),
    ...found.configurations.map((configuration) => saveConfiguration(work, configuration)),
  ]);
}

/** Databases one by one, and where it is wanted the server as a whole. */
async function saveServer(work: Work): Promise<void> {
  const physical = work.options.physical ? savePhysical(work) : undefined;
  const [databases, whole] = await Promise.allSettled([saveAllDatabases(work), physical]);
  if (databases.status === 'rejected') throw databases.reason;
  const known = whole.status === 'fulfilled' && whole.value !== undefined ? { physical: whole.value } : {};
  work.context.baseline({ ...databases.value, ...known });
  if (whole.status === 'rejected') throw whole.reason;
}

async function saveGlobals({ context, remote, found }: Work): Promise<void> {
  const command = globalsCommand(found.server);
  await context.save({
    path: artifactPath(componentName, found.server.host, `${found.prefix}globals.sql`),
    format: sqlFormat,
    host: found.server.host,
    alone: true,
    open: ({ signal }) => remote.read(command, { signal }),
  });
}

async function saveConfiguration(
  { context }: Work,
  { prefix, files }: PostgresqlFound['configurations'][number],
): Promise<void> {
  const remote = await context.remote(context.host(files.host));
  const path = configurationPath(files.host, prefix);
  await context.save({ ...filesArtifact({ path, remote, files, policy: configurationPolicy }), alone: true });
}
