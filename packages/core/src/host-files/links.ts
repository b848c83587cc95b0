import { isUtf8 } from 'node:buffer';
import type { Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { nameList } from '../model/name-list.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { batches, isInside, lookAt, type HostPath } from './paths.js';

/** A directory that only a link leads to is taken up to this size. */
const maximumDirectory = 256 * 1024 * 1024;
/** Links to directories with links in them, and so on. */
const maximumRounds = 8;
const oddLinks =
  'links saved without what they lead to, which was not looked at, for a tab, a line break or bytes that are no UTF-8 in their names or targets';

/** Links, an empty record, then what our own archives do not hold: FIFOs and devices. Sockets are left out by tar itself. */
const insideScript = `find "$@" -type l -print0
printf '\\0'
find "$@" '(' -type p -o -type b -o -type c ')' -print0`;

export interface Followed {
  /** What was found, and what links inside its directories lead to. */
  readonly found: readonly HostPath[];
  /** FIFOs and devices inside its directories. */
  readonly excluded: readonly string[];
  readonly warnings: readonly Warning[];
}

/** Looks into the directories of `start`: where links in them lead to, directories by link included, and what no archive can hold. */
export async function followLinks(
  remote: RemoteHost,
  start: readonly HostPath[],
  signal: AbortSignal,
): Promise<Followed> {
  const taken = new Map<string, HostPath>(start.map((found) => [found.path, found]));
  const excluded = new Set<string>();
  const broken = new Set<string>();
  const odd = new Set<string>();
  const skipped = new Set(start.filter(({ kind }) => kind === 'other').map(({ path }) => path));
  const directories = new Set(directoriesOf(start));
  let next = [...directories].filter((directory) => !isInside(directory, directories));
  for (let round = 0; round < maximumRounds && next.length > 0; round++) {
    const inside = await lookInside(remote, next, signal);
    for (const path of inside.special) excluded.add(path);
    const look = await lookAt(remote, inside.links, signal);
    for (const path of look.missing) broken.add(path);
    for (const path of [...look.odd, ...inside.odd]) odd.add(JSON.stringify(path));
    next = [];
    for (const found of look.found) {
      const known = directories.has(found.target) || isInside(found.target, directories);
      const take = found.kind === 'file' || (found.kind === 'directory' && (known || mayTake(found, directories)));
      if (!take && found.target !== '/dev/null') skipped.add(`${found.path} -> ${found.target}`);
      // Without its target: the link is kept, what it leads to is not.
      taken.set(found.path, take && !known ? found : { ...found, kind: 'other', bytes: 0 });
      if (!take || known || found.kind !== 'directory') continue;
      directories.add(found.target);
      next.push(found.target);
    }
  }
  for (const directory of next) skipped.add(directory);
  return {
    found: [...taken.values()],
    excluded: [...excluded],
    warnings: [
      ...warning(remote, 'FILE_SKIPPED', 'not saved, being no file, a device, a FIFO or too large', [
        ...skipped,
        ...excluded,
      ]),
      ...warning(remote, 'FILE_SKIPPED', oddLinks, [...odd]),
      ...warning(remote, 'FILE_MISSING', 'links that lead to nothing', [...broken]),
    ],
  };
}

function directoriesOf(found: readonly HostPath[]): readonly string[] {
  return found.filter(({ kind }) => kind === 'directory').map(({ target }) => target);
}

/** Not a whole part of the system, not above what is taken already, not too large. */
function mayTake({ target, bytes }: HostPath, directories: ReadonlySet<string>): boolean {
  if (/^\/[^/]*$/.test(target) || /^\/(?:proc|sys|dev|run)\//.test(target) || bytes > maximumDirectory) return false;
  return ![...directories].some((directory) => directory.startsWith(`${target}/`));
}

async function lookInside(
  remote: RemoteHost,
  directories: readonly string[],
  signal: AbortSignal,
): Promise<{
  readonly links: readonly string[];
  readonly odd: readonly string[];
  readonly special: readonly string[];
}> {
  const links: string[] = [];
  const odd: string[] = [];
  const special: string[] = [];
  for (const batch of batches(directories)) {
    const { stdout } = await remote.run(
      { argv: ['sh', '-c', insideScript, 'sh', ...batch], become: 'root', accept: [0, 1] },
      { signal },
    );
    const records = stdout.toString('latin1').split('\0');
    const middle = records.indexOf('');
    if (middle < 0 || records.at(-1) !== '' || middle === records.length - 1)
      throw new BackupError(
        'SERVICE_ANSWER',
        `${remote.host.name}: looking into directories gave an answer that cannot be read`,
        { host: remote.host.name },
      );
    for (const record of records.slice(0, middle)) {
      const name = Buffer.from(record, 'latin1');
      (isUtf8(name) ? links : odd).push(name.toString());
    }
    special.push(...records.slice(middle + 1, -1).map((record) => Buffer.from(record, 'latin1').toString()));
  }
  return { links, odd, special };
}

function warning(remote: RemoteHost, code: string, what: string, names: readonly string[]): readonly Warning[] {
  if (names.length === 0) return [];
  return [{ code, message: `${remote.host.name}: ${what}: ${nameList(names)}` }];
}
