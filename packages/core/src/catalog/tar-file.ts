import { Readable } from 'node:stream';

import type { Archive } from '../archive/archive.js';
import { printable } from '../model/byte-names.js';
import { BackupError } from '../model/errors.js';
import type { ArtifactRecord } from '../model/metadata.js';
import { artifactContent } from './artifact-file.js';
import { selectArtifacts } from './select.js';
import { cataloguedTar, wholeTar, type TarSource } from './tar-source.js';
import { memberPath } from './tar-survey.js';
import { defaultEntries, planUnpack, type UnpackPlan } from './unpack-plan.js';

export interface TarFileOptions {
  /** Path of a tar artifact. */
  readonly artifact: string;
  /** What `files` of `extractArtifacts` may be; it must mean one file. */
  readonly file: string;
  readonly signal?: AbortSignal;
}

/**
 * The content of one regular file inside a tar artifact; of a hard link, that of the file. Reads only what holds it where the artifact has a
 * catalogue. A tar that `extractArtifacts` refuses is refused here.
 *
 * Errors: ARTIFACT_MISSING, OPTION_INVALID (no tar, no file, several files), those of `extractArtifacts` that are about reading.
 */
export async function readTarFile(archive: Archive, { artifact, file, signal }: TarFileOptions): Promise<Readable> {
  const [record] = selectArtifacts(archive.metadata, [artifact]);
  if (record?.path !== artifact || record.format !== 'tar')
    throw new BackupError('OPTION_INVALID', `${artifact} is not a tar, so no file can be taken out of it`);
  const source = (archive.hasCatalogue(artifact) ? cataloguedTar : wholeTar)({
    archive,
    artifact: record,
    signal,
    read: (ranges) => artifactContent(archive, record, { signal, ranges }),
  });
  const plan = await planUnpack((add) => source.survey(add), {
    files: [file],
    entries: defaultEntries,
    root: '',
    artifact,
  });
  return Readable.from(contentOf(source, chosenFile(plan, record, file)), { objectMode: false });
}

function chosenFile(plan: UnpackPlan, { path: artifact }: ArtifactRecord, file: string): string {
  const [path, another] = plan.chosen;
  if (path === undefined) throw new BackupError('ARTIFACT_MISSING', `no file in ${artifact} is called ${file}`);
  const target = plan.hardLinkTarget(path);
  const node = plan.nodes.get(target);
  const refused = (what: string, hint: string): BackupError =>
    new BackupError('OPTION_INVALID', `${artifact}: ${file} ${what}`, { hint });
  if (another !== undefined) throw refused(`means ${plan.chosen.size} members`, 'name one file by its whole path');
  if (node?.kind === 'symlink')
    throw refused(`is a symbolic link to ${printable(node.target)}`, 'name the file that it leads to');
  if (node?.kind !== 'file') throw refused('is a directory', 'name a file');
  return target;
}

async function* contentOf(source: TarSource, path: string): AsyncGenerator<Buffer, void, undefined> {
  for await (const entry of source.entries((each) => each === path)) {
    if (memberPath(entry.name) !== path) continue;
    yield* entry.body;
    return;
  }
}
