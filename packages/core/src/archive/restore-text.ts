import { plainText, type ByHand } from '../model/by-hand.js';
import type { WrittenArtifact } from './archive.js';

export interface RestoreTextInfo {
  readonly cluster: string;
  readonly startedAt: Date;
  readonly tool: { readonly name: string; readonly version: string };
}

interface Listed extends Pick<WrittenArtifact, 'path' | 'bytes' | 'parts' | 'sha256'> {
  readonly format: string;
}

/** Nine digits, so that no other artifact's name can match. */
const anyPart = '[0-9]'.repeat(9);

/**
 * Content of RESTORE.txt: how every artifact of exactly this archive is taken out and put back with `sh tar gzip sed cut sha256sum` and the service's own
 * programs. A line with four spaces before it is a command, one that begins with a digit is a heading, all else is for people. First the sections
 * given, then one for each artifact that none of them needs. Yields lines.
 */
export function* restoreText(
  info: RestoreTextInfo,
  artifacts: readonly Listed[],
  sections: readonly ByHand[] = [],
): Generator<string> {
  yield heading(info);
  const byPath = new Map(artifacts.map((artifact) => [artifact.path, artifact]));
  let number = 0;
  for (const section of sections) {
    number += 1;
    yield `4.${String(number)} ${plainText(`${section.host}: ${section.title}`)}\n\n`;
    yield* sources(section.artifacts.flatMap((path) => byPath.get(path) ?? []));
    for (const note of section.notes) yield `- ${plainText(note)}\n`;
    if (section.notes.length > 0) yield '\n';
    yield* section.artifacts.flatMap((path) => byPath.get(path) ?? []).map(checkLine);
    for (const line of section.commands.flatMap((command) => command.split('\n'))) yield `    ${line}\n`;
    yield '\n';
  }
  const needed = new Set(sections.flatMap((section) => section.artifacts));
  for (const artifact of artifacts) {
    if (needed.has(artifact.path)) continue;
    number += 1;
    yield `4.${String(number)} ${artifact.path}\n\n`;
    yield* sources([artifact]);
    yield checkLine(artifact);
    yield `    artifact ${artifact.path} > ./${artifact.path.replaceAll('/', '-')}\n\n`;
  }
}

function* sources(artifacts: readonly Listed[]): Generator<string> {
  for (const { path, bytes, format, parts } of artifacts)
    yield `From ${path}: ${String(bytes)} bytes, ${format}, ${parts === 0 ? 'one file' : `${String(parts)} parts`}.\n`;
  if (artifacts.length > 0) yield '\n';
}

function checkLine({ path, sha256 }: Listed): string {
  return `    check ${path} ${sha256}\n`;
}

function heading({ cluster, startedAt, tool }: RestoreTextInfo): string {
  return `Backup of ${plainText(cluster)}, ${startedAt.toISOString()}, made by ${tool.name} ${tool.version}

How to put it back by hand, with sh, tar, gzip, sed, cut, sha256sum and the programs of each service. lsbackup itself is not needed.
Keep what comes out private: it may hold passwords and keys.

A line with four spaces before it is a command, all else is for you to read. Work as root, on the host that a section names, in an empty
directory. Set ARCHIVE to the file that holds this text (export ARCHIVE=/where/it/is.tar.gz), then take out the text:

    tar -xzOf "$ARCHIVE" RESTORE.txt > RESTORE.txt
    commands() { for section do sed -n "/^$section /,/^[0-9]/s/^    //p" RESTORE.txt; done; }

"commands 1" prints the commands of section 1. Write those you need to a file, read it, run it. It ends at the first error, and an error is
never to be passed over. First, to unpack:

    commands 1 > unpack.sh && sh unpack.sh

Then, for whatever is to be put back, section 2 and the section about it, as in: commands 2 4.1 > restore.sh && sh restore.sh

1 UNPACK AND CHECK

Every line must say OK. An artifact that failed while it was backed up has a file NAME.FAILED that says why. Parts that belong to it (they are
not in SHA256SUMS) are no backup: never use them.

    set -eu
    umask 077
    mkdir unpacked
    tar -xzf "$ARCHIVE" -C unpacked
    cd unpacked
    sha256sum -c SHA256SUMS

2 READ AN ARTIFACT

Goes before every section below. A large artifact NAME is stored as NAME.part-000000001 and so on, and its table NAME.parts lists them in order.
Without its table it is not complete and does not count. "artifact NAME" writes the whole of it to standard output; "replace_files NAME" unpacks
a tar of files over those that are there, and saves these before; "old_files_back" puts back what it saved last, and removes what was not there
before (GNU tar).

    set -eu
    umask 077
    UNPACKED=\${UNPACKED:-$PWD/unpacked}
    newline=$(printf '\\nx')
    newline=\${newline%x}
    artifact() {
      if test -f "$UNPACKED/$1.parts"; then
        cut -f 1 "$UNPACKED/$1.parts" | while read -r part; do cat "$UNPACKED/$part" || exit 1; done
      elif test -f "$UNPACKED/$1"; then
        cat "$UNPACKED/$1"
      else
        echo "$1 is not complete, or not in this archive" >&2
        return 1
      fi
    }
    check() {
      if test "$(artifact "$1" | sha256sum | cut -c 1-64)" != "$2"; then
        echo "$1 is not what was saved: do not use it" >&2
        exit 1
      fi
      echo "$1: OK"
    }
    replace_files() {
      old=$PWD/old-$(echo "$1" | sed 's,/,-,g')-$(date +%Y%m%dT%H%M%S).tar
      artifact "$1" | tar --quoting-style=literal -tf - > "$old.names"
      while IFS= read -r name; do
        if test -e "/$name" || test -L "/$name"; then printf '%s\\0' "$name"; else printf '%s\\n' "$name" >&3; fi
      done < "$old.names" > "$old.found" 3> "$old.added"
      tar -C / --acls --xattrs --no-recursion --null -T "$old.found" -cf "$old"
      echo "what was there is in $old"
      if ! artifact "$1" | (umask 022 && tar -C / --acls --xattrs --numeric-owner -xpf -); then
        old_files_back
        exit 1
      fi
    }
    old_files_back() {
      sort -r "$old.added" | while IFS= read -r name; do
        if test -d "/$name" && ! test -L "/\${name%/}"; then
          rmdir "/$name" 2> /dev/null || echo "/$name stays: it is not empty" >&2
        else
          rm -f "/\${name%/}"
        fi
      done
      tar -C / --acls --xattrs --numeric-owner -xpf "$old"
      echo "the old files are back" >&2
    }

3 WITHOUT UNPACKING

Where there is no room to unpack: not section 1, but this one after section 2 (commands 2 3 4.1 > restore.sh). Each artifact then reads the whole
archive several times. For GNU tar; bsdtar wants the same without --wildcards; busybox tar cannot, there unpack.

    artifact() {
      if tar -tzf "$ARCHIVE" "$1.parts" > /dev/null 2>&1; then
        tar -xzOf "$ARCHIVE" --wildcards "$1.part-${anyPart}"
      else
        tar -xzOf "$ARCHIVE" "$1"
      fi
    }

4 PUT BACK

`;
}
