import { tarFormat, type TarSummary } from '../formats/tar.js';
import type { Artifact } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { nameList } from '../model/name-list.js';
import type { Command, HostFacts, RemoteHost, TarPolicy } from '../remote/remote-host.js';

/** Options that only some versions of GNU tar have: --sort since 1.28, --warning since 1.23, the others by how it was built. */
const optional = ['--sort', '--warning', '--xattrs', '--acls'] as const;
export type TarOption = (typeof optional)[number];

const supportScript = `help=$(tar --help 2>/dev/null)
for option do case $help in *"$option"*) echo "$option";; esac; done`;

/**
 * Which optional features the host's tar has. Errors: HOST_PREFLIGHT when there is no tar, or only bsdtar: that one fills a file that is
 * truncated while being read with zeros and ends with status 0, so its output cannot be trusted.
 */
export async function tarSupport(remote: RemoteHost, signal: AbortSignal): Promise<readonly TarOption[]> {
  const host = remote.host.name;
  const { tar } = remote.facts;
  if (tar === 'none' || tar === 'bsdtar')
    throw new BackupError(
      'HOST_PREFLIGHT',
      tar === 'none'
        ? `${host}: there is no tar on this host`
        : `${host}: the tar of this host is bsdtar, which does not tell when a file is truncated while it is read`,
      { host, hint: `Install GNU tar (tar package) on ${host}.` },
    );
  if (remote.facts.tar !== 'gnu') return [];
  const { stdout } = await remote.run({ argv: ['sh', '-c', supportScript, 'sh', ...optional] }, { signal });
  const lines = new Set(stdout.toString('utf8').split('\n'));
  return optional.filter((option) => lines.has(option));
}

export interface TarRequest {
  readonly flavour: HostFacts['tar'];
  readonly support: readonly TarOption[];
  /** Where names are relative to. */
  readonly directory: string;
  readonly names: readonly string[];
  /** Paths, as `names` are written, that are left out; GNU tar only. */
  readonly excluded?: readonly string[];
  /** The names come from standard input, each ended by NUL; GNU tar only. */
  readonly namesFromInput?: boolean;
}

/**
 * The arguments that write a tar of `names` to standard output, made so that the same files give the same bytes: fixed order, no access times,
 * no process id in header names. Owners as numbers; extended attributes and ACLs where this tar has them.
 */
export function tarArguments(request: TarRequest): readonly string[] {
  const { flavour, support, directory, names, excluded = [], namesFromInput = false } = request;
  if (flavour === 'busybox') return ['tar', '-c', '-f', '-', '-C', directory, '--', ...names];
  return [
    'tar',
    '--create',
    '--file=-',
    '--format=posix',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
    '--numeric-owner',
    '--blocking-factor=128',
    // Otherwise a backslash in a name given here begins an escape sequence, and another file may be meant.
    '--no-unquote',
    ...support.map((option) =>
      option === '--sort' ? '--sort=name' : option === '--warning' ? '--warning=no-file-ignored' : option,
    ),
    ...(excluded.length === 0 ? [] : ['--anchored', '--no-wildcards']),
    ...excluded.map((name) => `--exclude=${name}`),
    `--directory=${directory}`,
    ...(namesFromInput ? ['--null', '--files-from=-'] : ['--', ...names]),
  ];
}

/** The command, as root, that streams the tar. */
export function tarCommand(request: TarRequest, policy: TarPolicy): Command {
  return { argv: tarArguments(request), become: 'root', accept: { tar: policy } };
}

export interface TarArtifact {
  readonly path: string;
  readonly remote: RemoteHost;
  readonly command: Command;
  /** What the command reads, when its names come from standard input. */
  readonly input?: Uint8Array | undefined;
  readonly size?: number;
  readonly onEnd?: (summary: Readonly<TarSummary>) => void;
}

/**
 * An artifact that is the output of a tar command. Where files must not change while they are read, it fails with TAR_FAILED when one
 * does. A directory may: all that changes is its entries, and those that are read are watched themselves.
 */
export function tarArtifact({ path, remote, command, input, size, onEnd }: TarArtifact): Artifact {
  const host = remote.host.name;
  const directories = new Set<string>();
  let changed: readonly string[] = [];
  const end = (summary: Readonly<TarSummary>): void => {
    const files = changed.filter((name) => !directories.has(name));
    if (files.length > 0) throw changedFiles(host, files);
    onEnd?.(summary);
  };
  return {
    path,
    format: mustNotChange(command) ? tarFormat(end, (name) => directories.add(name)) : tarFormat(onEnd),
    host,
    ...(size === undefined ? {} : { size }),
    open: (context) => {
      directories.clear();
      changed = [];
      return remote.read(command, {
        signal: context.signal,
        warn: (warning) => context.warn(warning),
        ...(mustNotChange(command) ? { changed: (names) => (changed = names) } : {}),
        ...(input === undefined ? {} : { input }),
      });
    },
  };
}

function mustNotChange({ accept }: Command): boolean {
  return accept !== undefined && 'tar' in accept && !accept.tar.mayChange;
}

function changedFiles(host: string, names: readonly string[]): BackupError {
  const shown = nameList(names.map((name) => Buffer.from(name, 'latin1').toString()));
  return new BackupError('TAR_FAILED', `${host}: changed while being read: ${shown}`, {
    host,
    hint: 'Run the backup again when nobody changes these files.',
  });
}
