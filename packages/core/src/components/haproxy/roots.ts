import { posix } from 'node:path';
import { nameList } from '../../model/name-list.js';
import { script } from '../../host-steps/stage-files.js';
import type { RestoreContext } from '../restore.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { HaproxyOptions } from './options.js';

/** What the package manager has put there belongs to the version that is installed. */
const ofPackage = /^(?:usr\/)?lib\//;
/**
 * A link or a path in haproxy's configuration may lead to files by which the system knows its users, names and disks. Each host has its own: as of the backup,
 * or of another host, they would lock people out, so they are never put back.
 */
const ofSystem =
  /^etc\/(?:(?:passwd|shadow|group|gshadow|subuid|subgid)-?|hosts|hostname|machine-id|resolv\.conf|nsswitch\.conf|fstab|sudoers|(?:sudoers\.d|ssh|pam\.d)(?:\/.*)?)$/;

export interface RootSplit {
  readonly roots: readonly string[];
  /** Of them: not in haproxy's own directories, so that others may have files there too. */
  readonly shared: readonly string[];
}

/** What of an archive is put back, and how. Warns of what is left out, and of what belongs to others too and is replaced. */
export async function splitRoots(
  context: RestoreContext<HaproxyOptions>,
  remote: RemoteHost,
  { roots, configurationFiles }: { readonly roots: readonly string[]; readonly configurationFiles: readonly string[] },
): Promise<RootSplit> {
  const { name } = remote.host;
  const left = roots.filter((root) => ofSystem.test(root));
  if (left.length > 0)
    context.warn({
      code: 'RESTORE_LEFT_OUT',
      message: `${name}: files of the system, which haproxy's configuration leads to, stay as they are: ${nameList(left.map((root) => `/${root}`))}`,
    });
  const taken = roots.filter((root) => !ofPackage.test(root) && !ofSystem.test(root));
  const shared = taken.filter((root) => !isOwn(`/${root}`, configurationFiles));
  const present = await presentOf(remote, shared, context.signal);
  if (present.length > 0)
    context.warn({
      code: 'RESTORE_SHARED',
      message: `${name}: outside of haproxy's own directories, what was archived replaces what is there (nothing else in them is removed): ${nameList(present.map((root) => `/${root}`))}`,
    });
  return { roots: taken, shared };
}

/** In a directory or file named after haproxy, or what it was started with, or the directory of that. */
function isOwn(path: string, configurationFiles: readonly string[]): boolean {
  const started = configurationFiles.flatMap((file) => [file, posix.dirname(file)]);
  return /\/(?:\d+-)?haproxy/.test(path) || (/^\/[^/]+\//.test(path) && started.includes(path));
}

const presentScript = `while IFS= read -r root; do
  if [ -e "/$root" ] || [ -L "/$root" ]; then printf '%s\\n' "$root"; fi
done`;

/** By standard input: there may be more than a command line holds. */
async function presentOf(
  remote: RemoteHost,
  roots: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (roots.length === 0) return [];
  const input = Buffer.from(roots.map((root) => `${root}\n`).join(''));
  const { stdout } = await remote.run(script(presentScript), { signal, input });
  return stdout.toString('utf8').split('\n').filter(Boolean);
}
