import { createConnection } from 'node:net';
import { keyType } from '../known-hosts.js';
import { wireString, WireReader } from './wire.js';

/** A key that an agent holds. */
export interface AgentKey {
  /** The public key in SSH wire format. */
  readonly blob: Buffer;
  readonly type: string;
  readonly comment: string;
}

/** Seconds for an answer; an agent may ask a person before it signs. */
const listTimeout = 10;
const signTimeout = 120;
/** ssh-agent's own limit of a message (ssh-agent.c, AGENT_MAX_LEN). */
const maximumAnswer = 256 * 1024;
/** Numbers: draft-miller-ssh-agent, 5.1. */
const message = { listRequest: 11, listAnswer: 12, signRequest: 13, signAnswer: 14 };
const signatureFlags = new Map([
  ['sha256', 2],
  ['sha512', 4],
]);

/**
 * The keys of the agent behind a socket, those too that ssh2 cannot use (it would not say that they are there).
 * Rejects with an Error whose message says why the agent gave no answer.
 */
export async function listAgentKeys(socket: string, signal?: AbortSignal): Promise<readonly AgentKey[]> {
  const answer = await ask(socket, Buffer.from([message.listRequest]), { seconds: listTimeout, signal });
  const reader = new WireReader(answer);
  if (reader.byte() !== message.listAnswer) throw new Error('the agent refuses to list its keys');
  const keys: AgentKey[] = [];
  for (let left = reader.number(); left > 0; left -= 1) {
    const blob = reader.string();
    keys.push({ blob, type: keyType(blob), comment: reader.string().toString() });
  }
  return keys;
}

/** A signature by a key of the agent, without the name of its algorithm. `hash` is of RSA keys only (RFC 8332). */
export async function signWithAgent(
  socket: string,
  request: { readonly blob: Buffer; readonly data: Buffer; readonly hash: string | undefined },
  signal?: AbortSignal,
): Promise<Buffer> {
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(signatureFlags.get(request.hash ?? '') ?? 0);
  const fields = [Buffer.from([message.signRequest]), wireString(request.blob), wireString(request.data), flags];
  const answer = new WireReader(await ask(socket, Buffer.concat(fields), { seconds: signTimeout, signal }));
  if (answer.byte() !== message.signAnswer) throw new Error('the agent refuses to sign');
  const signature = new WireReader(answer.string());
  signature.string();
  return signature.string();
}

function ask(
  path: string,
  request: Buffer,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal | undefined },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const chunks: Buffer[] = [];
    let received = 0;
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      act();
    };
    const fail = (why: string, cause?: unknown): void => finish(() => reject(new Error(why, { cause })));
    const onAbort = (): void => fail('cancelled');
    const timer = setTimeout(() => fail(`the agent gave no answer within ${seconds} s`), seconds * 1000);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => fail(`the agent cannot be reached: ${error.message}`, error));
    socket.on('close', () => fail('the agent closed the connection'));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < 4) return;
      const all = Buffer.concat(chunks);
      const length = all.readUInt32BE(0);
      if (length > maximumAnswer) fail('the agent answers with nonsense');
      else if (all.length >= 4 + length) finish(() => resolve(all.subarray(4, 4 + length)));
    });
    socket.write(wireString(request));
  });
}
