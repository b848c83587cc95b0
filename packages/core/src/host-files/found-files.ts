import type { TarSummary } from '../formats/tar.js';
import type { Artifact, Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import type { Command, RemoteHost, TarPolicy } from '../remote/remote-host.js';
import { followLinks } from './links.js';
import { lookAt, tarNames, type HostPath, type LookResult } from './paths.js';
import { tarArtifact, tarCommand, tarSupport, type TarOption } from './tar.js';

/** Files of one host that go into one tar, as discover found them. Plain data for a unit's `found`. */
export type FoundFiles = Readonly<{
  host: string;
  /** Relative to `/`. */
  names: readonly string[];
  /** Devices and FIFOs inside directories, left out; relative to `/`. */
  excluded: readonly string[];
  /** Relative to `/`: `names`, and what the service or its configuration names. Other files inside directories may vanish where a policy says so. */
  mustStay: readonly string[];
  support: readonly TarOption[];
  /** Estimate. */
  bytes: number;
}>;

export interface FilesRequest {
  /** For messages. */
  readonly service: string;
  /** Paths that are taken where they exist. */
  readonly paths: readonly string[];
  /** Paths that must exist because an option or the service itself names them; `hint` is for when one does not. */
  readonly required?: { readonly paths: readonly string[]; readonly hint: string };
  /** Of `paths`, those a configuration names. They may be missing, for that is how the service runs, but not without a word. */
  readonly named?: readonly string[];
  /** What is saved is worth having also without named files that are out of sight. */
  readonly mayBeHidden?: boolean;
  /** What a configuration names and is known to be out of sight. */
  readonly hidden?: readonly string[];
  readonly signal: AbortSignal;
}

/** What findFiles answers. */
export interface FilesAnswer {
  readonly files: FoundFiles;
  /** FILE_MISSING for what is named and not there; FILE_SKIPPED and FILE_MISSING for what lies in the directories and is not saved. */
  readonly warnings: readonly Warning[];
}

/**
 * Looks for files as root, and for what symbolic links inside directories lead to. Errors: SERVICE_MISSING when a required path is
 * not there, or when nothing at all is: a tar of nothing is no backup; HOST_SUDO when a named one cannot be seen and must not be hidden;
 * HOST_PREFLIGHT when there is no tar that can be trusted.
 */
export async function findFiles(remote: RemoteHost, request: FilesRequest): Promise<FilesAnswer> {
  const { service, paths, required = { paths: [], hint: '' }, hidden = [], signal } = request;
  const host = remote.host.name;
  const [support, { found, missing, unreachable, odd }] = await Promise.all([
    tarSupport(remote, signal),
    lookAt(remote, [...required.paths, ...paths], signal),
  ]);
  const lost = required.paths.filter((path) => missing.includes(path));
  if (lost.length > 0) {
    const orHidden = lost.some((path) => unreachable.includes(path))
      ? ', or behind a directory that may not be searched'
      : '';
    throw new BackupError(
      'SERVICE_MISSING',
      `${host}: configured for ${service} but not there${orHidden}: ${lost.join(', ')}`,
      { host, hint: required.hint },
    );
  }
  const oddRequired = required.paths.filter((path) => odd.includes(path));
  if (oddRequired.length > 0)
    throw new BackupError(
      'SERVICE_MISSING',
      `${host}: configured for ${service} and ${oddReason}: ${quoted(oddRequired)}`,
      {
        host,
        hint: required.hint,
      },
    );
  const gone = namedAndGone(host, request, { missing, unreachable });
  if (found.length === 0)
    throw new BackupError(
      'SERVICE_MISSING',
      `${host}: none of the files of ${service} can be seen: ${missing.join(', ')}`,
      { host },
    );
  const followed = await followLinks(remote, found, signal);
  if (followed.excluded.length > 0 && remote.facts.tar !== 'gnu')
    throw new BackupError(
      'HOST_PREFLIGHT',
      `${host}: the tar of this host cannot leave out devices and FIFOs: ${followed.excluded.join(', ')}`,
      { host, hint: `Remove them, or install GNU tar (tar package) on ${host}.` },
    );
  const names = tarNames(followed.found);
  const files: FoundFiles = {
    host,
    names,
    mustStay: [...new Set([...names, ...namedNames(request, found)])],
    excluded: followed.excluded.map((path) => path.slice(1)),
    support,
    bytes: followed.found.reduce((sum, { bytes }) => sum + bytes, 0),
  };
  return {
    files,
    warnings: [
      ...gone,
      ...followed.warnings,
      ...unreachableWarning(host, [...unreachable, ...hidden]),
      ...oddWarning(host, odd),
    ],
  };
}

const oddReason =
  'not looked at, for a tab, a line break or bytes that are no UTF-8 in the name or in a link on the way';

function oddWarning(host: string, paths: readonly string[]): readonly Warning[] {
  if (paths.length === 0) return [];
  return [{ code: 'FILE_SKIPPED', message: `${host}: not saved, because ${oddReason}: ${quoted(paths)}` }];
}

function quoted(paths: readonly string[]): string {
  return paths.map((path) => JSON.stringify(path)).join(', ');
}

/** What is required or named, with the symbolic links that lead there. */
function namedNames({ required, named = [] }: FilesRequest, found: readonly HostPath[]): readonly string[] {
  const all = new Set([...(required?.paths ?? []), ...named]);
  const there = found.filter(({ path, kind }) => all.has(path) && kind !== 'other');
  return there.flatMap(({ links, target }) => [...links, target]).map((path) => path.slice(1));
}

/** FILE_MISSING for what is named and not there. Error: HOST_SUDO for what is out of sight. */
function namedAndGone(
  host: string,
  { service, named = [], hidden = [], mayBeHidden = false }: FilesRequest,
  { missing, unreachable }: Pick<LookResult, 'missing' | 'unreachable'>,
): readonly Warning[] {
  const unseen = [...hidden, ...named.filter((path) => unreachable.includes(path))];
  if (unseen.length > 0 && !mayBeHidden)
    throw new BackupError(
      'HOST_SUDO',
      `${host}: named by the configuration of ${service} and in a directory that may not be searched: ${unseen.join(', ')}`,
      { host, hint: `Let lsbackup become root on ${host} (ansible_become), or log in as a user that may read them.` },
    );
  const gone = named.filter((path) => missing.includes(path) && !unreachable.includes(path));
  if (gone.length === 0) return [];
  const message = `${host}: named by the configuration of ${service} and not there: ${gone.join(', ')}`;
  return [{ code: 'FILE_MISSING', message }];
}

function unreachableWarning(host: string, paths: readonly string[]): readonly Warning[] {
  if (paths.length === 0) return [];
  const message = `${host}: not saved, if they are there, because their directory may not be searched (by root, or by the login user where ansible_become is false): ${paths.join(', ')}`;
  return [{ code: 'FILE_SKIPPED', message }];
}

/** More names than this go by standard input: they may not fit into a command line. */
const maximumNameBytes = 32 * 1024;

/** GNU tar reads a long list of names from standard input; such a command has no lifeline, it ends when it can no longer write its output. */
function namesInput(remote: RemoteHost, { names }: FoundFiles): Uint8Array | undefined {
  const list = Buffer.from(names.map((name) => `${name}\0`).join(''));
  return remote.facts.tar !== 'gnu' || list.length <= maximumNameBytes ? undefined : list;
}

/** The command that streams them as a tar, as a plan shows it: where the names come from standard input it does not have them. */
export function filesCommand(remote: RemoteHost, files: FoundFiles, policy: TarPolicy): Command {
  const { support, names, excluded, mustStay } = files;
  const namesFromInput = namesInput(remote, files) !== undefined;
  return tarCommand(
    { flavour: remote.facts.tar, support, directory: '/', names, excluded, namesFromInput },
    policy.mayVanish ? { ...policy, mustStay } : policy,
  );
}

export interface FilesArtifact {
  readonly path: string;
  readonly remote: RemoteHost;
  readonly files: FoundFiles;
  readonly policy: TarPolicy;
  readonly onEnd?: (summary: Readonly<TarSummary>) => void;
}

/** The files as one tar artifact. */
export function filesArtifact({ path, remote, files, policy, onEnd }: FilesArtifact): Artifact {
  return tarArtifact({
    path,
    remote,
    command: filesCommand(remote, files, policy),
    input: namesInput(remote, files),
    size: files.bytes,
    ...(onEnd === undefined ? {} : { onEnd }),
  });
}
