import type { Command, RemoteHost } from '../remote/remote-host.js';

/** The command as a person would type it on the host, for plans. */
export function describeCommand(remote: RemoteHost, command: Pick<Command, 'argv' | 'become'>): string {
  const words = command.argv.map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  const user = command.become;
  const needsSudo =
    typeof user === 'string' &&
    remote.host.connection.become !== undefined &&
    !(remote.facts.loginIsRoot && user === 'root');
  if (!needsSudo) return words.join(' ');
  return ['sudo', '-n', ...(user === 'root' ? [] : ['-u', user]), ...words].join(' ');
}
