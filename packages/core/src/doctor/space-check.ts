import type { RemoteHost } from '../remote/remote-host.js';
import { bytesText } from '../model/bytes-text.js';
import { asBackupError } from '../model/errors.js';
import { ledgerCommand } from '../run/ledger-records.js';
import { whereScript } from '../run/ledger-scripts.js';
import { readSpace, requireSpace, type TempSpace } from '../host-files/host-space.js';
import { failed, type Finding, ok, refused, warning } from './diagnosis.js';

/** For the records of what must not outlive a run: a few lines each. */
const bytesForRecords = 1024 ** 2;

/** Whether what a backup will use on the host for a while fits. `needs`: what the units of the plan say. */
export async function spaceFindings(
  remote: RemoteHost,
  needs: readonly TempSpace[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const found = await Promise.all(needs.map((need) => needFinding(remote, need, signal)));
  return [...found.filter((finding) => finding !== undefined), await recordsFinding(remote, needs.length > 0, signal)];
}

async function needFinding(remote: RemoteHost, need: TempSpace, signal: AbortSignal): Promise<Finding | undefined> {
  try {
    await requireSpace(remote, need, signal);
    return undefined;
  } catch (error) {
    const refusal = asBackupError(error);
    if (signal.aborted || refusal.code !== 'HOST_SPACE') throw refusal;
    return failed('space', refusal, remote.host.name);
  }
}

/** A unit that makes something on the host records it first, so it fails where that is impossible. */
async function recordsFinding(remote: RemoteHost, isNeeded: boolean, signal: AbortSignal): Promise<Finding> {
  const { stdout } = await remote.run(ledgerCommand(whereScript, ['']), { signal });
  const directory = stdout.toString('utf8').trim();
  const system = await readSpace(remote, directory, signal);
  if (system === undefined) return ok('space', `space in ${directory} unknown`);
  const free = bytesText(system.free);
  if (system.free >= bytesForRecords) return ok('space', `${free} free in ${directory}`);
  const detail = `${free} free in ${directory}, where a backup records what it must remove again`;
  const remedy = `Free space on the file system of ${directory} on ${remote.host.name}.`;
  return isNeeded ? refused('space', 'HOST_SPACE', detail, remedy) : warning('space', detail, remedy, 'HOST_SPACE');
}
