import type { RemoteHost } from '../remote/remote-host.js';
import { nameList } from '../model/name-list.js';
import { type Finding, ok, warning } from './diagnosis.js';

/** What every backup runs on a host besides a shell; without flock it holds no lock against a restore (run/ledger-scripts.ts). */
export const commonTools = ['cat', 'date', 'df', 'flock', 'stat'];

const findScript = 'for tool do command -v "$tool" >/dev/null 2>&1 || echo "$tool"; done';

/** Whether the programs are in the path that commands get. Only a warning where one is not: what that means is told by looking for the components. */
export async function toolsFinding(
  remote: RemoteHost,
  tools: readonly string[],
  signal: AbortSignal,
): Promise<Finding> {
  const { stdout } = await remote.run({ argv: ['sh', '-c', findScript, 'sh', ...tools], become: 'root' }, { signal });
  const missing = stdout.toString('utf8').split('\n').filter(Boolean);
  if (missing.length === 0) return ok('tools', `all ${tools.length} tools`);
  const detail = `not found: ${nameList(missing)}`;
  return warning('tools', detail, `Install ${nameList(missing)} on ${remote.host.name}, or put them into root's PATH.`);
}
