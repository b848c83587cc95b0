import { isUtf8 } from 'node:buffer';
import { posix } from 'node:path';
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
  /** Every symbolic link on the way, in its directories too, hop by hop; each path is free of other links. */
  readonly links: readonly string[];
  /** All symbolic links resolved. */
  readonly target: string;
}

export interface LookResult {
  readonly found: readonly HostPath[];
  /** Also broken links and what cannot be reached. */
  readonly missing: readonly string[];
  /** Of the missing: those in a directory that the user who looks may not search, so that nobody knows whether they exist. */
  readonly unreachable: readonly string[];
  /**
   * Not looked at, and neither found nor missing: they, or a link on the way, have a tab, a line break or bytes that are no UTF-8, which
   * cannot be carried to the tar.
   */
  readonly odd: readonly string[];
}

/** Shell function: whether the path given, which does not exist for the user who looks, may exist behind a directory that may not be searched. */
const hiddenFunction = `hidden() {
  up=$1
  hops=0
  until [ -e "$up" ] || [ -z "$up" ]; do
    if [ -L "$up" ] && [ $hops -lt 40 ]; then
      hops=$((hops + 1))
      link=$(readlink -- "$up")
      case $link in /*) up=$link;; *) up=\${up%/*}/$link;; esac
    else
      up=\${up%/*}
    fi
  done
  [ -n "$up" ] && [ -d "$up" ] && [ ! -x "$up" ]
}`;

/**
 * For each argument one line: kind, KiB, the links on the way, target; or one word: `missing`, `unreachable`, `odd` (a tab or a line
 * break in the path or in a link). Plain sh, so it runs on any host; the walk ends because a path
 * that exists has at most 40 links (path_resolution(7)). What a link to `/` or a
 * directory in it holds is not measured: that would take minutes.
 */
const lookScript = `${hiddenFunction}
for path do
  if [ -d "$path" ]; then kind=directory; elif [ -f "$path" ]; then kind=file; elif [ -e "$path" ]; then kind=other; else kind=missing; fi
  if [ $kind = missing ]; then
    if hidden "$path"; then echo unreachable; else echo missing; fi
    continue
  fi
  at=
  links=
  odd=
  rest=$path
  case $path in *'\t'*|*'\n'*) odd=yes; rest=;; esac
  while [ -n "$rest" ]; do
    piece=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/};; *) rest=;; esac
    case $piece in ''|.) continue;; ..) at=\${at%/*}; continue;; esac
    if [ -L "$at/$piece" ]; then
      links="$links\t$at/$piece"
      # A line break at the end of the target would be lost without the dot.
      link=$(readlink -- "$at/$piece"; echo .)
      link=\${link%??}
      case $link in *'\t'*|*'\n'*) odd=yes; break;; esac
      case $link in /*) at=;; esac
      rest=$link\${rest:+/$rest}
    else
      at=$at/$piece
    fi
  done
  if [ -n "$odd" ]; then echo odd; continue; fi
  size=0
  case $at in /*/*) measure=yes;; *) measure=;; esac
  if [ -n "$measure" ] || [ -z "$links" ]; then size=$(du -skH -- "$path" 2>/dev/null); size=\${size%%[!0-9]*}; fi
  printf '%s\\t%s%s\\t%s\\n' "$kind" "\${size:-0}" "$links" "\${at:-/}"
done`;

/** Far below what a command line may hold (see remote/quote.ts), since quoting and the wrapper need room too. */
const batchBytes = 48 * 1024;

/** Groups whose text fits into one command line each. */
export function batches(paths: readonly string[]): readonly (readonly string[])[] {
  const result: string[][] = [];
  let room = 0;
  for (const path of paths) {
    const bytes = Buffer.byteLength(path) + 3;
    const last = result.at(-1);
    if (last === undefined || bytes > room) {
      result.push([path]);
      room = batchBytes - bytes;
    } else {
      last.push(path);
      room -= bytes;
    }
  }
  return result;
}

function lookCommand(paths: readonly string[]): Command {
  return { argv: ['sh', '-c', lookScript, 'sh', ...paths], become: 'root' };
}

/** Which of `paths` exist on the host, seen as root, in the same order. */
export async function lookAt(remote: RemoteHost, paths: readonly string[], signal: AbortSignal): Promise<LookResult> {
  const found: HostPath[] = [];
  const missing: string[] = [];
  const unreachable: string[] = [];
  const odd: string[] = [];
  for (const batch of batches([...new Set(paths)])) {
    const { stdout } = await remote.run(lookCommand(batch), { signal });
    const lines = stdout.toString('latin1').split('\n').slice(0, -1);
    if (lines.length !== batch.length)
      throw unreadable(remote, `${String(lines.length)} lines for ${String(batch.length)} paths`);
    for (const [index, path] of batch.entries()) {
      const bytes = Buffer.from(lines[index] ?? '', 'latin1');
      const line = isUtf8(bytes) ? bytes.toString() : 'odd';
      if (line === 'unreachable') unreachable.push(path);
      if (line === 'missing' || line === 'unreachable') missing.push(path);
      else if (line === 'odd') odd.push(path);
      else found.push(parseLine(remote, path, line));
    }
  }
  return { found, missing, unreachable, odd };
}

/**
 * The path without `..`. What the host finds there is right also behind symbolic links; where it finds nothing, the text decides. A path
 * that has none stays as it is.
 */
export async function withoutDots(remote: RemoteHost, path: string, signal: AbortSignal): Promise<string> {
  if (!path.split('/').includes('..')) return path;
  const { found } = await lookAt(remote, [path], signal);
  return found[0]?.target ?? posix.resolve(path);
}

function parseLine(remote: RemoteHost, path: string, line: string): HostPath {
  const [kind, size, ...places] = line.split('\t');
  const target = places.pop();
  if (
    (kind !== 'file' && kind !== 'directory' && kind !== 'other') ||
    target === undefined ||
    ![...places, target].every((place) => place.startsWith('/'))
  )
    throw unreadable(remote, JSON.stringify(line));
  return { path, kind, bytes: Number(size) * 1024, links: places, target };
}

function unreadable(remote: RemoteHost, what: string): BackupError {
  return new BackupError(
    'SERVICE_ANSWER',
    `${remote.host.name}: looking for files gave an answer that cannot be read: ${what}`,
    { host: remote.host.name },
  );
}

/** Links that belong to the operating system's layout, not to a service: every host has its own. */
const systemLink = /^\/(?:s?bin|lib\w*|var\/run|var\/lock)$/;

/**
 * What tar has to be given so that everything found is in the archive once: links and what they lead to, without what lies inside
 * a directory that is taken anyway, and without devices, FIFOs and sockets. Names are relative to `/`.
 */
export function tarNames(found: readonly HostPath[]): readonly string[] {
  const all = new Set(found.flatMap(({ links, target, kind }) => (kind === 'other' ? links : [...links, target])));
  const directories = new Set(found.filter(({ kind }) => kind === 'directory').map(({ target }) => target));
  return [...all]
    .filter((path) => !isInside(path, directories) && !systemLink.test(path))
    .sort()
    .map((path) => path.slice(1));
}

/** `path` lies in one of `directories`, at any depth. */
export function isInside(path: string, directories: ReadonlySet<string>): boolean {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    if (directories.has(path.slice(0, end))) return true;
  return false;
}

/** A directory that may not be read, or one on the way to it that may not be searched, hides what a pattern stands for. */
const expandScript = `${hiddenFunction}
IFS=
for pattern do
  directory=\${pattern%%[*?[]*}
  directory=\${directory%/*}
  if hidden "$directory/any" || { [ -d "$directory" ] && [ ! -r "$directory" ]; }; then printf 'hidden %s\\n' "$pattern"; fi
  for path in $pattern; do if [ -e "$path" ]; then printf '%s\\n' "$path"; fi; done
done`;

/**
 * The paths that shell patterns stand for, seen as root, and those patterns of which some may not be seen. Paths with a line break in
 * them are left out.
 */
export async function expandPatterns(
  remote: RemoteHost,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly paths: readonly string[]; readonly hidden: readonly string[] }> {
  if (patterns.length === 0) return { paths: [], hidden: [] };
  const { stdout } = await remote.run(
    { argv: ['sh', '-c', expandScript, 'sh', ...patterns], become: 'root' },
    { signal },
  );
  const lines = stdout.toString('utf8').split('\n');
  const hiddenMark = 'hidden ';
  return {
    paths: lines.filter((line) => line.startsWith('/')),
    hidden: lines.filter((line) => line.startsWith(hiddenMark)).map((line) => line.slice(hiddenMark.length)),
  };
}
