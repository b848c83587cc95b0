/** Backs a cluster up from a program of your own: node examples/use-as-library.ts BUILD_DIR TARGET (examples/README.md). */
import { homedir, userInfo } from 'node:os';
import { pathToFileURL } from 'node:url';
import { backup, BackupError, loadCluster, localDriver, openStore, verifyArchive } from '@lsbackup/core';

/** Name and status of the archive; throws a BackupError when nothing was published. */
export async function backUp(buildDirectory: string, targetName: string): Promise<{ archive: string; status: string }> {
  // The library never looks at the environment: the caller says who logs in, and with which agent.
  const agentSocket = process.env.SSH_AUTH_SOCK;
  const user = {
    name: userInfo().username,
    homeDirectory: homedir(),
    ...(agentSocket === undefined ? {} : { agentSocket }),
  };
  const cluster = await loadCluster({ source: buildDirectory, user });
  await using target = await openStore(targetName, [localDriver]);

  const result = await backup({
    cluster,
    user,
    target,
    signal: AbortSignal.timeout(6 * 60 * 60 * 1000),
    onEvent: (event) => {
      if (event.type === 'component') console.log(`${event.component}/${event.unit}: ${event.status}`);
    },
  });

  const verified = await verifyArchive(target, result.archive);
  if (!verified.intact)
    throw new BackupError('ARCHIVE_CORRUPT', `${result.archive} does not read back as it was written`);
  return { archive: result.archive, status: result.status };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    console.log(await backUp(process.argv[2] ?? '.', process.argv[3] ?? './backups'));
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    console.error(`${error.code}: ${error.message}`, error.hint ?? '');
    process.exitCode = error.exitStatus;
  }
}
