import type { Connection, Host, Login } from '@lsbackup/core';

/** Where a host is: `10.0.0.1:22`, `[fe80::1]:22`; nothing where the program runs on it, or cannot reach it. */
export function addressText({ connection, refusal }: Host): string {
  return refusal !== undefined || connection.transport === 'local' ? '-' : serverText(connection);
}

/** How a host is reached: `ssh`, `local`, `openssh via bob@bastion:22`, `ssh by a command`, `refused`. */
export function wayText({ connection, refusal }: Host): string {
  if (refusal !== undefined) return 'refused';
  const { transport, jumps } = connection;
  const first: Login = jumps[0] ?? connection;
  const command = first.proxyCommand === undefined ? '' : ' by a command';
  return `${transport}${command}${jumps.length === 0 ? '' : ` via ${jumps.map(loginText).join(', ')}`}`;
}

/** How root is become on a host: `sudo`, `su with a password`, `no`. */
export function becomeText({ connection, refusal }: Host): string {
  if (refusal !== undefined) return '-';
  const { become } = connection;
  if (become === undefined) return 'no';
  return become.password === undefined ? become.method : `${become.method} with a password`;
}

function loginText(login: Login): string {
  return login.user === undefined ? serverText(login) : `${login.user}@${serverText(login)}`;
}

function serverText({ address, port }: Pick<Connection, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
