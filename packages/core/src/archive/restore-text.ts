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

/** Content of RESTORE.txt: how to get every artifact of exactly this archive out with `sh tar gzip sha256sum` alone. Yields lines. */
export function* restoreText(info: RestoreTextInfo, artifacts: Iterable<Listed>): Generator<string> {
  yield heading(info);
  for (const artifact of artifacts) {
    const size = `${String(artifact.bytes)} bytes, ${artifact.format}, sha256 ${artifact.sha256}`;
    if (artifact.parts === 0) {
      yield `# ${size}: one file\ntar -xzOf "$ARCHIVE" ${artifact.path}\n\n`;
    } else {
      yield `# ${size}: ${String(artifact.parts)} parts\njoin ${artifact.path} > OUTPUT\n`;
      yield `tar -tzf "$ARCHIVE" ${artifact.path}.parts && tar -xzOf "$ARCHIVE" --wildcards '${artifact.path}.part-${anyPart}' > OUTPUT\n\n`;
    }
  }
}

function heading({ cluster, startedAt, tool }: RestoreTextInfo): string {
  return `Backup of ${cluster}, ${startedAt.toISOString()}, made by ${tool.name} ${tool.version}
Everything below needs sh, tar, gzip, cut and sha256sum only.
Set ARCHIVE to the file that holds this text. Keep what comes out private: it may hold passwords.

1. UNPACK AND CHECK

umask 077
mkdir unpacked
tar -xzf "$ARCHIVE" -C unpacked
cd unpacked
sha256sum -c SHA256SUMS

Stop when a line does not say OK. An artifact that failed while it was backed up has a file NAME.FAILED that says why. Parts that belong to it
(they are not in SHA256SUMS) are no backup: never use them.

2. PUT THE PARTS OF A LARGE ARTIFACT TOGETHER (in the unpacked directory)

A large artifact NAME is stored as NAME.part-000000001 and so on, and its table NAME.parts lists them in order. Without its table it is not
complete and does not count.

join() {
  test -f "$1.parts" || { echo "$1 is not complete: it has no table of parts" >&2; return 1; }
  cut -f 1 "$1.parts" | while read -r part; do cat "$part" || exit 1; done
}

3. WITHOUT UNPACKING

The second command of each artifact below reads the archive itself (GNU tar; bsdtar does the same without --wildcards; busybox tar: unpack, then join).
It writes nothing unless the table is there.

4. THE ARTIFACTS OF THIS ARCHIVE

Instead of "> OUTPUT" put a pipe to the tool that takes the artifact: "| tar -xpf - -C DIRECTORY" for the format tar, "| psql -X -d postgres" for sql,
"| pg_restore" with its options for pg-custom (it wants a file for parallel jobs).

`;
}
