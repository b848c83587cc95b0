import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Flags } from '@oclif/core';
import type { Archive, ExtractResult } from '@lsbackup/core';
import { BackupError } from '@lsbackup/core/store';
import { openTarget } from '../base/environment.js';
import { archiveArgument, configFlags, outputFlags, targetFlag } from '../base/flags.js';
import { passedOverText } from '../base/passed-over.js';
import { RunCommand, type Outcome } from '../base/run-command.js';
import { readSettings, requireTarget } from '../config/settings.js';
import type { RunOutput } from '../output/run-output.js';
import { isWriteError, standardOutput } from '../output/standard-streams.js';
import { createByteProgress } from '../report/byte-progress.js';
import { bytesText, counted, printable } from '../report/text.js';

/** What programs end with that SIGPIPE ends: their reader had enough, or failed. */
const closedPipeStatus = 128 + constants.signals.SIGPIPE;

export class Extract extends RunCommand {
  static override summary =
    'Take artifacts, or files inside tar artifacts, out of an archive; every byte is checked on the way.';
  static override examples = [
    '<%= config.bin %> extract -t /target --into ./out',
    '<%= config.bin %> extract -t /target --into ./out --artifact haproxy --unpack',
    '<%= config.bin %> extract -t /target --artifact postgresql/db1/globals.sql --stdout | psql',
    '<%= config.bin %> extract -t /target -a haproxy/lb1/config.tar --file etc/haproxy/haproxy.cfg --stdout',
  ];
  static override args = archiveArgument;
  static override flags = {
    ...targetFlag,
    into: Flags.string({
      summary: 'Directory to write to; it is made when it is not there.',
      helpValue: 'DIR',
      exclusive: ['stdout'],
    }),
    artifact: Flags.string({
      char: 'a',
      summary: 'Path of an artifact, a component, component/host, or a * pattern; everything unless given.',
      helpValue: 'PATH',
      multiple: true,
      multipleNonGreedy: true,
    }),
    unpack: Flags.boolean({ summary: 'Unpack tar artifacts instead of writing them as they are.' }),
    file: Flags.string({
      summary: 'Only these files of the tar artifacts; implies --unpack.',
      helpValue: 'PATTERN',
      multiple: true,
      multipleNonGreedy: true,
    }),
    owners: Flags.boolean({
      summary: 'Give what is unpacked to the user and group ids it had; only as root, with --unpack or --file.',
    }),
    stdout: Flags.boolean({
      summary: 'Write the one named artifact, or the one --file inside it, to standard output.',
      exclusive: ['json', 'unpack', 'owners'],
    }),
    ...configFlags,
    ...outputFlags,
  };

  protected async perform(output: RunOutput, signal: AbortSignal): Promise<Outcome> {
    const { args, flags } = await this.parse(Extract);
    if (flags.into === undefined && !flags.stdout) {
      throw new BackupError('USAGE', 'where to?', { hint: 'give --into DIR, or --stdout with one --artifact' });
    }
    if (flags.into === '') throw new BackupError('USAGE', '--into is empty', { hint: 'give --into DIR' });
    if (flags.owners && !flags.unpack && flags.file === undefined) {
      throw new BackupError('USAGE', '--owners is for what is unpacked', { hint: 'add --unpack or --file' });
    }
    const settings = await readSettings({ config: flags.config, target: flags.target });
    await using target = await openTarget(requireTarget(settings), signal);
    const { openNamedOrNewest, extractArtifacts } = await import('@lsbackup/core');
    const { archive, passedOver } = await openNamedOrNewest(target, args.archive, { signal });
    const note = passedOverText(archive.name, passedOver);
    if (note !== undefined) output.note(note);
    if (flags.into === undefined) {
      return await writeToStandardOutput(await oneStream(archive, flags, signal), signal);
    }
    const progress = createByteProgress(output, archive.name);
    try {
      const result = await extractArtifacts(archive, {
        into: flags.into,
        signal,
        unpack: flags.unpack || flags.file !== undefined,
        ...(flags.artifact && { artifacts: flags.artifact }),
        ...(flags.file && { files: flags.file }),
        owners: flags.owners,
        onProgress: progress.update,
      });
      return extractOutcome(archive, result);
    } finally {
      progress.end();
    }
  }
}

async function oneStream(
  archive: Archive,
  flags: { readonly artifact: readonly string[] | undefined; readonly file: readonly string[] | undefined },
  signal: AbortSignal,
): Promise<Readable> {
  const { readTarFile, selectArtifacts } = await import('@lsbackup/core');
  const [artifact, another] = flags.artifact === undefined ? [] : selectArtifacts(archive.metadata, flags.artifact);
  if (artifact === undefined || another !== undefined) {
    throw new BackupError('USAGE', '--stdout writes exactly one artifact', {
      hint: 'name it: --artifact COMPONENT/HOST/NAME, as lsbackup show prints it',
    });
  }
  const [file, anotherFile] = flags.file ?? [];
  if (file === undefined) return archive.read(artifact.path, { signal });
  if (anotherFile !== undefined) {
    throw new BackupError('USAGE', '--stdout writes exactly one file', { hint: 'give --file once, or --into DIR' });
  }
  return readTarFile(archive, { artifact: artifact.path, file, signal });
}

async function writeToStandardOutput(content: Readable, signal: AbortSignal): Promise<Outcome> {
  try {
    await pipeline(content, process.stdout, { signal, end: false });
  } catch (error) {
    if (!isWriteError(error)) throw error;
    standardOutput.fail(error);
    return { summary: { status: 'failed' }, text: '', exitStatus: error.code === 'EPIPE' ? closedPipeStatus : 1 };
  }
  return { summary: { status: 'extracted' }, text: '', exitStatus: 0 };
}

function extractOutcome(archive: Archive, result: ExtractResult): Outcome {
  const files = result.artifacts.reduce((sum, artifact) => sum + artifact.files, 0);
  const bytes = result.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0);
  return {
    summary: { status: 'extracted', archive: archive.name, into: result.into, artifacts: result.artifacts },
    text: [
      ...result.artifacts.map((artifact) => printable(`${artifact.path} -> ${artifact.to}`)),
      `Extracted ${counted(result.artifacts.length, 'artifact')}, ${counted(files, 'file')}, ${bytesText(bytes)}`,
    ].join('\n'),
    exitStatus: 0,
  };
}
