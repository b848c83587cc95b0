import { filesArtifact } from '../../host-files/found-files.js';
import type { BackupContext, Unit } from '../component.js';
import { archivePath, filesPolicy, type HaproxyFound } from './discover.js';
import type { HaproxyOptions } from './options.js';

/** Saves one tar per host with everything discover found. */
export async function backup(context: BackupContext<HaproxyOptions>, unit: Unit<HaproxyFound>): Promise<void> {
  const { found } = unit;
  const remote = await context.remote(context.host(unit.hosts[0] ?? ''));
  let entries = 0;
  await context.save(
    filesArtifact({
      path: archivePath(remote),
      remote,
      files: found.files,
      policy: filesPolicy,
      onEnd: (summary) => {
        entries = summary.entries;
      },
    }),
  );
  context.baseline({ entries, ...found.sections });
}
