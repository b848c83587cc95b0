import http from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { BackupError, abortError } from '../model/errors.js';
import type { Secret } from '../model/secret.js';
import type { RemoteHost } from './remote-host.js';

const defaultDeadline = 60;
const defaultMaximum = 16 * 1024 * 1024;

export interface HttpRequest {
  /** Address as the remote host itself reaches the service. */
  readonly host: string;
  readonly port: number;
  readonly tls?: HttpTls;
  /** With its query. */
  readonly path: string;
  /** GET unless set. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** HTTP basic authentication. */
  readonly auth?: { readonly user: string; readonly password: Secret };
  readonly signal?: AbortSignal;
  /** Seconds for the whole exchange; 60 unless set. */
  readonly deadline?: number;
  /** Bytes of the answer's body; 16 MiB unless set. */
  readonly maximumBytes?: number;
}

export interface HttpTls {
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string | Buffer;
  /** Name the certificate must be for; the request's host unless set. */
  readonly servername?: string;
  /** False accepts any certificate: for a service whose traffic never leaves its host. */
  readonly verify?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * One HTTP or HTTPS exchange through the host's SSH connection. Any status is an answer, so 404 and 500 are returned.
 * Errors: HOST_KEY (a password, and a host that is doubtful), HOST_FORWARD (no connection to the address), HTTP_FAILED (no complete answer in time, or too large a one), STREAM_CUT (the
 * SSH connection was lost), or the abort reason.
 */
export async function httpRequest(remote: RemoteHost, request: HttpRequest): Promise<HttpResponse> {
  refuseDoubtful(remote, request);
  const deadline = request.deadline ?? defaultDeadline;
  const timeout = AbortSignal.timeout(deadline * 1000);
  const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
  try {
    const socket = await remote.connect({ host: request.host, port: request.port }, { signal });
    try {
      return await exchange(request.tls ? await secure(socket, request, signal) : socket, request, signal);
    } finally {
      socket.destroy();
    }
  } catch (error) {
    if (request.signal?.aborted) throw abortError(request.signal);
    if (timeout.aborted) throw failed(remote, request, `no complete answer within ${deadline} s`, error);
    if (error instanceof BackupError && error.code !== 'HTTP_FAILED') throw error;
    throw failed(remote, request, error instanceof Error ? error.message : String(error), error);
  }
}

function refuseDoubtful({ host, facts }: RemoteHost, { auth, host: address, port }: HttpRequest): void {
  if (!facts.isDoubtful || auth === undefined) return;
  const service = `${address}:${port}`;
  throw new BackupError(
    'HOST_KEY',
    `${host.name}: its key is not the known one, and the password of ${auth.user} for ${service} is not sent to such a host`,
    { host: host.name, hint: "Correct the host's line in its known_hosts file." },
  );
}

function secure(socket: Duplex, { host, tls: options = {} }: HttpRequest, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const servername = options.servername ?? host;
    const secured = tls.connect({
      socket,
      // A name is needed for SNI, which knows no addresses; the certificate is checked against `servername` in both cases.
      ...(/^[\d.]+$|:/.test(servername) ? { host: servername } : { servername }),
      ...(options.ca !== undefined && { ca: options.ca }),
      rejectUnauthorized: options.verify ?? true,
    });
    const onAbort = (): void => void secured.destroy(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    // It stays: an error after the exchange has nobody else to hear it.
    secured.on('error', reject);
    secured.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(secured);
    });
  });
}

function exchange(socket: Duplex, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      createConnection: () => socket,
      host: request.host,
      port: request.port,
      path: request.path,
      method: request.method ?? 'GET',
      headers: { connection: 'close', ...bodyHeaders(request), ...request.headers },
      signal,
      ...(request.auth && { auth: `${request.auth.user}:${request.auth.password.reveal()}` }),
    };
    // http over a ready TLS stream is https: node:https would open a socket of its own.
    const outgoing = http.request(options, (response) => {
      collect(response, request.maximumBytes ?? defaultMaximum).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    outgoing.on('error', reject);
    outgoing.end(request.body);
  });
}

async function collect(response: IncomingMessage, maximum: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maximum) throw new Error(`the answer is larger than ${maximum} bytes`);
  }
  return Buffer.concat(chunks);
}

function bodyHeaders({ body }: HttpRequest): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
}

function failed(remote: RemoteHost, request: HttpRequest, why: string, cause: unknown): BackupError {
  const scheme = request.tls ? 'https' : 'http';
  const path = request.path.replace(/\?.*$/, '');
  const where = `${request.method ?? 'GET'} ${scheme}://${request.host}:${request.port}${path}`;
  return new BackupError('HTTP_FAILED', `${remote.host.name}: ${where}: ${why}`, {
    host: remote.host.name,
    cause,
    retryable: true,
  });
}
