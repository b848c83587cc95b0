import { BackupError } from '../model/errors.js';
import type { Command, RemoteHost, TarPolicy } from '../remote/remote-host.js';
import { lookAt, tarNames } from './paths.js';
import { tarCommand, tarSupport, type TarOption } from './tar.js';

/** Files of one host that go into one tar, as discover found them. Plain data for a unit's `found`. */
export type FoundFiles = Readonly<{
  host: string;
  /** Relative to `/`. */
  names: readonly string[];
  support: readonly TarOption[];
  /** Estimate. */
  bytes: number;
}>;

export interface FilesRequest {
  /** For messages. */
  readonly service: string;
  /** Paths that are taken where they exist. */
  readonly paths: readonly string[];
  /** Paths that must exist because an option names them; `option` is its name. */
  readonly required?: { readonly paths: readonly string[]; readonly option: string };
  readonly signal: AbortSignal;
}

/**
 * Looks for files as root. Errors: SERVICE_MISSING when a required path is not there, or when nothing at all is: a tar of nothing is no backup;
 * HOST_PREFLIGHT when there is no tar.
 */
export async function findFiles(
  remote: RemoteHost,
  { service, paths, required = { paths: [], option: '' }, signal }: FilesRequest,
): Promise<{ readonly files: FoundFiles; readonly missing: readonly string[] }> {
  const host = remote.host.name;
  const [support, { found, missing }] = await Promise.all([
    tarSupport(remote, signal),
    lookAt(remote, [...required.paths, ...paths], signal),
  ]);
  const lost = required.paths.filter((path) => missing.includes(path));
  if (lost.length > 0)
    throw new BackupError('SERVICE_MISSING', `${host}: configured for ${service} but not there: ${lost.join(', ')}`, {
      host,
      hint: `Correct the option ${required.option} of this host.`,
    });
  if (found.length === 0)
    throw new BackupError(
      'SERVICE_MISSING',
      `${host}: none of the files of ${service} can be seen: ${missing.join(', ')}`,
      { host },
    );
  return {
    files: { host, names: tarNames(found), support, bytes: found.reduce((sum, { bytes }) => sum + bytes, 0) },
    missing,
  };
}

/** The command that streams them as a tar. */
export function filesCommand(remote: RemoteHost, files: FoundFiles, policy: TarPolicy): Command {
  return tarCommand({ flavour: remote.facts.tar, support: files.support, directory: '/', names: files.names }, policy);
}
