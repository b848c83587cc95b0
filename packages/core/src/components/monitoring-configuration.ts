import { expandPatterns } from '../host-files/paths.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { pathFlag, type Flags } from '../host-services/flags.js';
import { servesTls } from '../host-services/http-service.js';
import type { Service } from '../host-services/systemd.js';

/** The files behind a program with Prometheus' flags and configuration grammar. */
export interface ServiceConfiguration {
  /** The configuration file's directory where that is of its own, and every file both configurations name. They need not exist. */
  readonly paths: readonly string[];
  /** What the flags name: without it the files are no backup. */
  readonly required: { readonly paths: readonly string[]; readonly hint: string };
  readonly configFile: string | undefined;
  readonly tls: boolean;
}

/** Reads the configuration and the web configuration as root and finds what they name. */
export async function readServiceConfiguration(
  remote: RemoteHost,
  request: { readonly service: Service; readonly flags: Flags; readonly signal: AbortSignal },
): Promise<ServiceConfiguration> {
  const { service, flags, signal } = request;
  const configFile = pathFlag(flags, 'config.file', service);
  const webFile = pathFlag(flags, 'web.config.file', service);
  const texts = await Promise.all([configFile, webFile].map((file) => readText(remote, file, signal)));
  const patterns = [configFile, webFile].flatMap((file, index) =>
    file === undefined ? [] : namedPatterns(texts[index] ?? '', directoryOf(file)),
  );
  const consoles = ['web.console.templates', 'web.console.libraries'].map((name) => pathFlag(flags, name, service));
  const named = await expandPatterns(remote, patterns, signal);
  return {
    configFile,
    tls: servesTls(texts[1] ?? ''),
    paths: [ownDirectory(configFile), ...consoles, ...named, ...service.files].filter((path) => path !== undefined),
    required: {
      paths: [configFile, webFile].filter((path) => path !== undefined),
      hint: `Put the file back, or start ${service.unit} with the one that it has: what only exists in a container cannot be saved.`,
    },
  };
}

async function readText(remote: RemoteHost, file: string | undefined, signal: AbortSignal): Promise<string> {
  if (file === undefined) return '';
  const { stdout, status } = await remote.run(
    { argv: ['cat', '--', file], become: 'root', accept: [0, 1] },
    { signal },
  );
  return status === 0 ? stdout.toString('utf8') : '';
}

function directoryOf(file: string): string {
  return file.replace(/\/[^/]*$/, '') || '/';
}

/** A directory under /etc belongs to the program; any other may hold its data or its binaries, so there only the files are taken. */
function ownDirectory(file: string | undefined): string | undefined {
  const directory = file === undefined ? '' : directoryOf(file);
  return /^\/etc\/.+/.test(directory) ? directory : undefined;
}

const fileKey = /^(?:rule_files|files|scrape_config_files|templates|\w+_file)$/;

/**
 * The values of the keys that name files or patterns of them, in block and in flow style. Not a YAML parser: it only has to find paths, and
 * what it finds too much is left out because it does not exist.
 */
export function namedPatterns(yaml: string, directory: string): readonly string[] {
  const found: string[] = [];
  let key = '';
  for (const line of yaml.split(/\r?\n/)) {
    const [, indented = '', dashes = '', rest = ''] =
      /^(\s*)((?:-\s+)*)(.*)$/.exec(line.replace(/(?:^|\s)#.*$/, '')) ?? [];
    const [, name, value] = /^["']?([\w-]+)["']?:(?:\s+(.*))?$/.exec(rest) ?? [];
    if (name !== undefined) key = name;
    else if (dashes === '' && indented === '') key = '';
    if (fileKey.test(key)) found.push(...scalars(value ?? (name === undefined ? rest : '')));
  }
  return [
    ...new Set(
      found.filter((path) => path !== '<secret>').map((path) => (path.startsWith('/') ? path : `${directory}/${path}`)),
    ),
  ];
}

function scalars(text: string): readonly string[] {
  const items = /^\[(.*)\]\s*$/.exec(text.trim())?.[1] ?? text;
  return [...items.matchAll(/"([^"]*)"|'([^']*)'|([^\s,"'][^,"']*)/g)]
    .map(([, double, single, plain]) => (double ?? single ?? plain ?? '').trim())
    .filter((item) => item !== '');
}
