import { BackupError } from '../model/errors.js';
import type { Server } from './login/server.js';

/** The server closed the connection before it said anything: it has too many, or is just starting. */
export class DroppedError extends Error {}

/** HOST_UNREACHABLE. */
export function unreachable({ login, title, host }: Server, why: string, cause?: unknown): BackupError {
  const inventory = 'Check that the host is up, and ansible_host and ansible_port in the inventory.';
  return new BackupError(
    'HOST_UNREACHABLE',
    `${title}: cannot connect to ${login.address} port ${login.port}: ${why}`,
    {
      host,
      cause,
      retryable: true,
      hint:
        host === undefined ? 'Check that it is up, and ProxyJump where the host gets its SSH options from.' : inventory,
    },
  );
}
