import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Milliseconds for one address of a name before the next is tried beside it; Node's own 250 are too few for a distant host. */
const addressPatience = 2500;

/** A TCP connection to the first address of a name that answers. Rejects with an Error that says why none did, or the abort reason's. */
export async function connectTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({
    host,
    port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressPatience,
  });
  // It may be lost before ssh2 listens.
  socket.on('error', () => undefined);
  try {
    await once(socket, 'connect', { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw describe(error);
  }
}

/** Where a name has several addresses, Node's error has one error for each, and no text of its own. */
function describe(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || !('errors' in error) || !Array.isArray(error.errors)) return error;
  const texts = error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one)));
  return new Error(texts.join('; '), { cause: error });
}
