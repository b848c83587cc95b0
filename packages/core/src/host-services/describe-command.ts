import type { Command, RemoteHost } from '../remote/remote-host.js';

/** The command as a person would type it on the host, for plans. */
export function describeCommand(remote: RemoteHost, command: Pick<Command, 'argv' | 'become'>): string {
  const words = command.argv.map(quote).join(' ');
  const { become } = remote.host.connection;
  const user = command.become;
  if (typeof user !== 'string' || become === undefined) return words;
  const asRoot = user === 'root' ? words : `runuser -u ${user} -- ${words}`;
  if (remote.facts.loginIsRoot) return asRoot;
  if (become.method === 'su') return `su root -c ${quote(asRoot)}`;
  const options = [become.password === undefined ? '-n ' : '', user === 'root' ? '' : `-u ${user} `].join('');
  return `sudo ${options}${words}`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
