import { z } from 'zod';
import { BackupError } from '../model/errors.js';
import type { Command, RemoteHost } from '../remote/remote-host.js';

// eslint-disable-next-line no-control-regex -- what it refuses are control characters
const controlCharacter = /[\u0000-\u001f\u007f]/;

/** An option that is an absolute path of one host, other than `/`. */
export const absolutePath = z
  .string()
  .refine(
    (path) => /^\/.*[^/]/.test(path) && !controlCharacter.test(path),
    'must be an absolute path, other than /, without control characters',
  )
  .transform((path) => path.replace(/\/+/g, '/').replace(/\/$/, ''));

/** An option that is one or several absolute paths. */
export const pathList = z.union([absolutePath.transform((path) => [path]), z.array(absolutePath)]);

/** A path that is there. */
export interface HostPath {
  /** As it was asked for. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'other';
  /** Estimate: disk usage. */
  readonly bytes: number;
  /** The path with symbolic links in its directories resolved, but not in its last piece. */
  readonly entry: string;
  /** All symbolic links resolved. Differs from `entry` when the path itself is a link. */
  readonly target: string;
}

export interface LookResult {
  readonly found: readonly HostPath[];
  /** Also broken links. */
  readonly missing: readonly string[];
}

/**
 * For each argument one line: kind, KiB, entry, target. Plain sh, so it runs on any host. A path that cannot be reached with the
 * rights of the user that asks counts as missing.
 */
const lookScript = `for path do
  if [ -d "$path" ]; then kind=directory; elif [ -f "$path" ]; then kind=file; elif [ -e "$path" ]; then kind=other; else kind=missing; fi
  if [ $kind = missing ]; then echo missing; continue; fi
  size=$(du -skH -- "$path" 2>/dev/null | cut -f1)
  parent=$(readlink -f -- "$(dirname -- "$path")")
  printf '%s\\t%s\\t%s\\t%s\\n' "$kind" "\${size:-0}" "\${parent%/}/$(basename -- "$path")" "$(readlink -f -- "$path")"
done`;

function lookCommand(paths: readonly string[]): Command {
  return { argv: ['sh', '-c', lookScript, 'sh', ...paths], become: 'root' };
}

/** Which of `paths` exist on the host, seen as root, in the same order. */
export async function lookAt(remote: RemoteHost, paths: readonly string[], signal: AbortSignal): Promise<LookResult> {
  const unique = [...new Set(paths)];
  if (unique.length === 0) return { found: [], missing: [] };
  const { stdout } = await remote.run(lookCommand(unique), { signal });
  const lines = stdout.toString('utf8').split('\n').slice(0, -1);
  if (lines.length !== unique.length)
    throw unreadable(remote, `${String(lines.length)} lines for ${String(unique.length)} paths`);
  const found: HostPath[] = [];
  const missing: string[] = [];
  for (const [index, path] of unique.entries()) {
    const line = lines[index] ?? '';
    if (line === 'missing') missing.push(path);
    else found.push(parseLine(remote, path, line));
  }
  return { found, missing };
}

function parseLine(remote: RemoteHost, path: string, line: string): HostPath {
  const [kind, size, entry, target, ...rest] = line.split('\t');
  if (
    (kind !== 'file' && kind !== 'directory' && kind !== 'other') ||
    entry === undefined ||
    target === undefined ||
    rest.length > 0
  )
    throw unreadable(remote, JSON.stringify(line));
  return { path, kind, bytes: Number(size) * 1024, entry, target };
}

function unreadable(remote: RemoteHost, what: string): BackupError {
  return new BackupError(
    'SERVICE_ANSWER',
    `${remote.host.name}: looking for files gave an answer that cannot be read: ${what}`,
    { host: remote.host.name },
  );
}

/**
 * What tar has to be given so that everything found is in the archive once: links and what they lead to, without what lies inside
 * a directory that is taken anyway. Names are relative to `/`.
 */
export function tarNames(found: readonly HostPath[]): readonly string[] {
  const all = new Set(found.flatMap(({ entry, target }) => [entry, target]));
  const directories = found.filter(({ kind }) => kind === 'directory').map(({ target }) => `${target}/`);
  return [...all]
    .filter((path) => !directories.some((directory) => path.startsWith(directory)))
    .sort()
    .map((path) => path.slice(1));
}

const expandScript = `IFS=
for pattern do for path in $pattern; do if [ -e "$path" ]; then printf '%s\\n' "$path"; fi; done; done`;

/** The paths that shell patterns stand for, seen as root. Those with a line break in them are left out. */
export async function expandPatterns(
  remote: RemoteHost,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (patterns.length === 0) return [];
  const { stdout } = await remote.run(
    { argv: ['sh', '-c', expandScript, 'sh', ...patterns], become: 'root' },
    { signal },
  );
  return stdout
    .toString('utf8')
    .split('\n')
    .filter((path) => path.startsWith('/'));
}
