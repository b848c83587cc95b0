import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Milliseconds for ssh to say its version. */
const versionTimeout = 10_000;

/** What this program needs to know of the ssh on this machine. */
export interface OpensshVersion {
  /** As it calls itself: `OpenSSH_9.2p1 Debian-2`. */
  readonly name: string;
  /** Whether there is the option ForkAfterAuthentication (OpenSSH 8.7, release notes). */
  readonly forksByOption: boolean;
}

/**
 * Asks the ssh on this machine. Rejects with what the system says when there is none, with an Error when it is not OpenSSH or older than
 * 7.4, whose masters take no connections passed on (mux.c, `mux_client_proxy`), and when the signal is aborted.
 */
export async function opensshVersion(signal: AbortSignal | undefined): Promise<OpensshVersion> {
  const limits = { timeout: versionTimeout, ...(signal && { signal }) };
  const { stderr } = await promisify(execFile)('ssh', ['-V'], limits).catch((error: unknown) => {
    const said = lastWords(error);
    throw said === undefined ? error : new Error(said, { cause: error });
  });
  return parseOpensshVersion(stderr);
}

/** What a program that failed said last, which is more than Node's own sentence about it. */
function lastWords(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('stderr' in error)) return undefined;
  const line = String(error.stderr).trim().split('\n').at(-1)?.trim();
  return line === '' ? undefined : line;
}

/** Reads what `ssh -V` prints: `OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19`. */
export function parseOpensshVersion(text: string): OpensshVersion {
  const [, major, minor] = /^OpenSSH_(?:for_Windows_)?(\d+)\.(\d+)/.exec(text) ?? [];
  if (major === undefined || minor === undefined) throw new Error(`it is not OpenSSH: ${text.trim().slice(0, 80)}`);
  const isSince = (otherMajor: number, otherMinor: number): boolean =>
    Number(major) > otherMajor || (Number(major) === otherMajor && Number(minor) >= otherMinor);
  if (!isSince(7, 4)) throw new Error(`OpenSSH ${major}.${minor} is too old`);
  return { name: text.trim().split(',')[0] ?? '', forksByOption: isSince(8, 7) };
}
