import { isIP, SocketAddress } from 'node:net';

/** A server as ssh's command line and `ProxyJump` name it. */
export interface NamedServer {
  readonly host: string;
  readonly user: string | undefined;
  readonly port: string | undefined;
}

/** Characters that ssh takes in no host name. Source: valid_hostname in OpenSSH's ssh.c; `,` there since 9.9. */
const forbiddenInHost = /['`"$\\;&<>|(){},\s]|\p{Cc}/u;

/** Whether ssh takes the text as a host name; one with a hyphen in front would be an option. */
export function isHostName(text: string): boolean {
  return text !== '' && !text.startsWith('-') && !forbiddenInHost.test(text);
}

/** Whether ssh takes the text as a user name. Source: valid_ruser in OpenSSH's ssh.c. */
export function isUserName(text: string): boolean {
  return !text.startsWith('-') && !/['`";&<>|(){}]|\s-|\\$/.test(text);
}

/** The last argument of ssh: `host`, `user@host` or `ssh://user@host:port`; undefined for what ssh would not take. */
export function parseDestination(text: string): NamedServer | undefined {
  if (text.startsWith('ssh://')) return parseUri(text);
  const at = text.lastIndexOf('@');
  const host = text.slice(at + 1);
  if (at === 0 || !isHostName(host)) return undefined;
  return { host, user: at === -1 ? undefined : text.slice(0, at), port: undefined };
}

/**
 * The hops of a `ProxyJump`, from the nearest to the last; empty for `none`, undefined for what ssh would not take.
 * Source: parse_jump and parse_user_host_port in OpenSSH's readconf.c and misc.c.
 */
export function parseJumps(text: string): readonly NamedServer[] | undefined {
  const value = text.replace(/#.*$/s, '').trimEnd();
  if (value.toLowerCase() === 'none') return [];
  const hops = value.split(',').map((hop) => (hop.startsWith('ssh://') ? parseUri(hop) : parseHop(hop)));
  return hops.every((hop) => hop !== undefined) ? hops : undefined;
}

/** `user@host:port`, where an IPv6 address stands in brackets. */
function parseHop(text: string): NamedServer | undefined {
  const at = text.lastIndexOf('@');
  const [, bracketed, bare, port] = /^(?:\[([^\]]*)\]|([^[\]:/][^:/]*))(?::(.*))?$/s.exec(text.slice(at + 1)) ?? [];
  const host = bracketed ?? bare ?? '';
  if (at === 0 || !isHostName(host) || !isPortOrNothing(port)) return undefined;
  return { host, user: at === -1 ? undefined : text.slice(0, at), port: port === '' ? undefined : port };
}

/** Source: parse_uri in OpenSSH's misc.c: the user may be percent-encoded, parameters behind `;` and a lone `/` at the end say nothing. */
function parseUri(text: string): NamedServer | undefined {
  const [, login, bracketed, bare = bracketed ?? '', port] =
    /^ssh:\/\/(?:([^@]*)@)?(?:\[([^\]]*)\]|([^:/]*))(?::([^/]*))?\/?$/.exec(text) ?? [];
  if (!/^[a-z0-9](?:[a-z0-9_-]|\.(?!\.))*$/i.test(bare) || !isPortOrNothing(port)) return undefined;
  const user = login === undefined ? undefined : decodeUser(login.split(';')[0] ?? '');
  if (login !== undefined && (user === undefined || user === '')) return undefined;
  return { host: bare, user, port: port === '' ? undefined : port };
}

function decodeUser(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function isPortOrNothing(text: string | undefined): boolean {
  return text === undefined || text === '' || portNumber(text) !== undefined;
}

/** A port from 1 to 65535, or undefined. Of the names of services, which ssh takes too, only its own is known here. */
export function portNumber(text: string): number | undefined {
  if (text === 'ssh') return 22;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/**
 * A name in lower case, an IPv6 address in its shortest form and an IPv4 address with its four numbers (`127.1` has two), as ssh has them
 * before it looks them up. Source: resolve_addr in OpenSSH's ssh.c; inet_aton(3), whose short forms URLs have too.
 */
export function canonicalHost(host: string): string {
  const kind = isIP(host);
  if (kind === 4) return host;
  if (kind === 0) return fullIPv4(host) ?? host.toLowerCase();
  const [address = host, zone] = host.split('%');
  const { address: shortest } = new SocketAddress({ address, family: 'ipv6' });
  return zone === undefined ? shortest : `${shortest}%${zone}`;
}

function fullIPv4(host: string): string | undefined {
  if (!/^[0-9]+[0-9a-fx.]*$/i.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  const { hostname } = new URL(`http://${host}`);
  return isIP(hostname) === 4 ? hostname : undefined;
}
