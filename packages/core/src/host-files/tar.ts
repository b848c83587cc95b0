import { tarFormat, type TarSummary } from '../formats/tar.js';
import type { Artifact } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import type { Command, HostFacts, RemoteHost, TarPolicy } from '../remote/remote-host.js';

/** Options that only some versions of GNU tar have: --sort since 1.28, --warning since 1.23, the others by how it was built. */
const optional = ['--sort', '--warning', '--xattrs', '--acls'] as const;
export type TarOption = (typeof optional)[number];

const supportScript = `help=$(tar --help 2>/dev/null)
for option do case $help in *"$option"*) echo "$option";; esac; done`;

/** Which optional features the host's tar has. Errors: HOST_PREFLIGHT when there is no tar. */
export async function tarSupport(remote: RemoteHost, signal: AbortSignal): Promise<readonly TarOption[]> {
  if (remote.facts.tar === 'none')
    throw new BackupError('HOST_PREFLIGHT', `${remote.host.name}: there is no tar on this host`, {
      host: remote.host.name,
      hint: 'Install tar on the host.',
    });
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
}

/**
 * The arguments that write a tar of `names` to standard output, made so that the same files give the same bytes: fixed order, no access times,
 * no process id in header names. Owners as numbers; extended attributes and ACLs where this tar has them.
 */
export function tarArguments(request: TarRequest): readonly string[] {
  const { flavour, support, directory, names } = request;
  if (flavour === 'busybox') return ['tar', '-c', '-f', '-', '-C', directory, '--', ...names];
  if (flavour === 'bsdtar')
    return ['tar', '-c', '-f', '-', '--format', 'pax', '--numeric-owner', '-C', directory, '--', ...names];
  return [
    'tar',
    '--create',
    '--file=-',
    '--format=posix',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
    '--numeric-owner',
    '--blocking-factor=128',
    ...support.map((option) =>
      option === '--sort' ? '--sort=name' : option === '--warning' ? '--warning=no-file-ignored' : option,
    ),
    `--directory=${directory}`,
    '--',
    ...names,
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
  readonly size?: number;
  readonly onEnd?: (summary: Readonly<TarSummary>) => void;
}

/** An artifact that is the output of a tar command. */
export function tarArtifact({ path, remote, command, size, onEnd }: TarArtifact): Artifact {
  return {
    path,
    format: tarFormat(onEnd),
    host: remote.host.name,
    ...(size === undefined ? {} : { size }),
    open: (context) => remote.read(command, { signal: context.signal, warn: (warning) => context.warn(warning) }),
  };
}
