import { homedir, userInfo } from 'node:os';
import type { LocalUser, Logger } from '@lsbackup/core';
import { localDriver, openStore, type Store } from '@lsbackup/core/store';

// eslint-disable-next-line no-restricted-syntax -- this is the one place
export const environment: Readonly<Record<string, string | undefined>> = process.env;

/** Who runs the program. */
export function localUser(): LocalUser {
  const agentSocket = environment.SSH_AUTH_SOCK;
  return { name: userInfo().username, homeDirectory: homedir(), ...(agentSocket ? { agentSocket } : {}) };
}

/** The stores this program has. */
export function openTarget(target: string, signal: AbortSignal): Promise<Store> {
  return openStore(target, [localDriver], { signal });
}

const redacted = ['password', 'passphrase', 'privateKey', 'token', 'secret'];

/** A pino logger on standard error, written synchronously so that nothing is lost at exit; undefined at level `silent`. */
export async function createLogger(level: string): Promise<Logger | undefined> {
  if (level === 'silent') return undefined;
  const { pino } = await import('pino');
  const paths = redacted.flatMap((name) => [name, `*.${name}`]);
  const logger: Logger = pino(
    { level, redact: { paths, censor: '[secret]' } },
    pino.destination({ dest: 2, sync: true }),
  );
  return logger;
}
