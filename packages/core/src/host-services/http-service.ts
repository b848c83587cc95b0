import { z } from 'zod';
import { BackupError } from '../model/errors.js';
import { Secret } from '../model/secret.js';
import { parseJson } from '../model/parse-json.js';
import { httpRequest, type HttpResponse } from '../remote/http.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { Flags } from './flags.js';

/** Where a service's HTTP interface is, as its own host reaches it. Not an interface, so that it is Json. */
export type Endpoint = Readonly<{
  host: string;
  port: number;
  tls: boolean;
  /** Put before every path; empty or `/something`. */
  prefix: string;
}>;

/** Options of components whose service has such an interface. */
export const httpOptions = {
  /** Base address as the host itself reaches it; from the service's flags unless set. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  user: z.string().min(1).optional(),
  /** YAML and inventories make a number of digits. */
  password: z
    .union([z.string(), z.number().transform(String)])
    .transform((password) => new Secret(password))
    .optional(),
};
export interface HttpOptions {
  readonly url?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
}

/** The endpoint of a program with Prometheus' web flags. An address of any interface is reached by loopback. `tls` as its web configuration file says. */
export function endpointOf(
  flags: Flags,
  options: HttpOptions,
  defaults: { readonly port: number; readonly tls: boolean },
): Endpoint {
  if (options.url !== undefined) return endpointOfUrl(new URL(options.url));
  const [, address = '', port] = /^(.*):(\d+)$/.exec(flags.get('web.listen-address') ?? '') ?? [];
  const host = address.replace(/^\[|\]$/g, '');
  const everywhere = host === '' || host === '0.0.0.0' || host === '::';
  return {
    host: everywhere ? '127.0.0.1' : host,
    port: Number(port ?? defaults.port),
    tls: defaults.tls,
    prefix: prefixOf(flags),
  };
}

function endpointOfUrl(url: URL): Endpoint {
  const tls = url.protocol === 'https:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port === '' ? (tls ? 443 : 80) : url.port),
    tls,
    prefix: url.pathname.replace(/\/+$/, ''),
  };
}

/** The route prefix is its flag, else the path of the external address. */
function prefixOf(flags: Flags): string {
  const external = flags.get('web.external-url') ?? '';
  const prefix = flags.get('web.route-prefix') ?? (URL.canParse(external) ? new URL(external).pathname : '');
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  return trimmed === '' ? '' : `/${trimmed}`;
}

/** Whether a web configuration file turns TLS on. */
export function servesTls(webConfiguration: string): boolean {
  return /^tls_server_config:/m.test(webConfiguration);
}

export interface Question {
  readonly endpoint: Endpoint;
  readonly options: HttpOptions;
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly signal: AbortSignal;
  /** Seconds; 60 unless set. */
  readonly deadline?: number;
  readonly maximumBytes?: number;
}

/** One exchange; any status is an answer. The certificate is not checked: the connection ends on the host itself. */
export function ask(
  remote: RemoteHost,
  { endpoint, options, path, method, signal, deadline, maximumBytes }: Question,
): Promise<HttpResponse> {
  return httpRequest(remote, {
    host: endpoint.host,
    port: endpoint.port,
    path: `${endpoint.prefix}${path}`,
    signal,
    ...(endpoint.tls ? { tls: { verify: false } } : {}),
    ...(method === undefined ? {} : { method }),
    ...(options.user === undefined
      ? {}
      : { auth: { user: options.user, password: options.password ?? new Secret('') } }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(maximumBytes === undefined ? {} : { maximumBytes }),
  });
}

/** The body of a 200 answer. Errors: SERVICE_ANSWER for any other status, HTTP_FAILED, HOST_FORWARD. */
export async function askBody(remote: RemoteHost, question: Question): Promise<Buffer> {
  const { status, body } = await ask(remote, question);
  if (status === 200) return body;
  throw new BackupError(
    'SERVICE_ANSWER',
    `${remote.host.name}: ${describe(question)} answered with status ${String(status)}: ${body.toString('utf8', 0, 200)}`,
    {
      host: remote.host.name,
      hint: status === 401 || status === 403 ? 'Set the options user and password of the component.' : undefined,
      retryable: status >= 500,
    },
  );
}

/** The body of a 200 answer, parsed. Errors: those of `askBody`, and SERVICE_ANSWER when it is not what was asked for. */
export async function askJson<T>(
  remote: RemoteHost,
  question: Question & { readonly schema: z.ZodType<T> },
): Promise<T> {
  return parseBody(remote, question, await askBody(remote, question));
}

export function parseBody<T>(
  remote: RemoteHost,
  question: Question & { readonly schema: z.ZodType<T> },
  body: Buffer,
): T {
  try {
    return question.schema.parse(parseJson(body.toString('utf8')));
  } catch (cause) {
    throw new BackupError(
      'SERVICE_ANSWER',
      `${remote.host.name}: ${describe(question)} gave an answer that is not what was asked for`,
      { host: remote.host.name, cause },
    );
  }
}

function describe({ endpoint, path }: Question): string {
  return `${endpoint.tls ? 'https' : 'http'}://${endpoint.host}:${String(endpoint.port)}${endpoint.prefix}${path.replace(/\?.*$/, '')}`;
}
