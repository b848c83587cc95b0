import { BackupError } from '../model/errors.js';
import type { Server } from './login/server.js';

/** The server closed the connection before it said anything: it has too many, or is just starting. */
export class DroppedError extends Error {}

/** HOST_UNREACHABLE. */
export function unreachable(server: Server, why: string, cause?: unknown): BackupError {
  const { login, title, host } = server;
  const message = `${title}: cannot connect to ${login.address} port ${login.port}: ${why}`;
  return new BackupError('HOST_UNREACHABLE', message, { host, cause, retryable: true, hint: hintFor(server) });
}

function hintFor({ login, host }: Server): string {
  if (login.proxyCommand !== undefined)
    return 'Check the command that leads there: ProxyCommand in the SSH options of the host.';
  return host === undefined
    ? 'Check that it is up, and ProxyJump where the host gets its SSH options from.'
    : 'Check that the host is up, and ansible_host and ansible_port in the inventory.';
}
