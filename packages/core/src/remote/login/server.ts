import type { Login } from '../../cluster/cluster.js';

/** A server that is logged in to: a host, or a jump host on the way to some. */
export interface Server {
  readonly login: Login;
  /** What messages begin with. */
  readonly title: string;
  /** The host's name in the inventory; undefined for a jump host, which may serve several. */
  readonly host: string | undefined;
  /** The jump hosts before it, from the nearest. */
  readonly jumps: readonly Login[];
}

/** A jump host with what comes before it: `jumps` ends with it. */
export function jumpServer(jumps: readonly Login[]): Server | undefined {
  const login = jumps.at(-1);
  return login && { login, title: jumpTitle(login), host: undefined, jumps: jumps.slice(0, -1) };
}

/** `jump host bastion port 2222`. */
export function jumpTitle({ address, port }: Login): string {
  return port === 22 ? `jump host ${address}` : `jump host ${address} port ${port}`;
}
