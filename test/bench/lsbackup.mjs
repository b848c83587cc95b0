// A backup as users run it: the built command, into a directory that is emptied again.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from '../setup/process.mjs';
import { measure } from './measure.mjs';

export const launcher = join(root, 'packages/cli/bin/lsbackup.cjs');

/** Backs an inventory up; resolves with what `measure` says and the archive's bytes, or what `look` makes of the target's directory. */
export async function measureBackup(inventory, workDirectory, look = archiveBytes) {
  return intoDirectory(workDirectory, async (target) => {
    const measured = await measure(process.execPath, [launcher, 'backup', '-b', inventory, '-t', target, '--json']);
    return { ...measured, ...(await look(target)) };
  });
}

/** Runs `work` with a new directory. Neither side of a comparison may pay for what the other one left to be written to the disk. */
export async function intoDirectory(workDirectory, work) {
  const directory = mkdtempSync(join(workDirectory, 'target-'));
  try {
    await run('sync', []);
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function archiveBytes(target) {
  const [archive] = readdirSync(target).filter((name) => name.endsWith('.tar.gz'));
  return { bytes: statSync(join(target, archive)).size };
}
