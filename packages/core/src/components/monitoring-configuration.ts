import { parseDocument } from 'yaml';
import { BackupError } from '../model/errors.js';
import { expandPatterns } from '../host-files/paths.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { pathFlag, type Flags } from '../host-services/flags.js';
import { servesTls } from '../host-services/http-service.js';
import type { Service } from '../host-services/systemd.js';

/** The files behind a program with Prometheus' flags and configuration grammar. */
export interface ServiceConfiguration {
  /** The configuration file's directory where that is of its own, and those of the consoles. They need not exist. */
  readonly directories: readonly string[];
  /** Every file both configurations name, and those of the unit. They need not exist. */
  readonly files: readonly string[];
  /** Files, no patterns, that the configurations name; among `files` too. */
  readonly named: readonly string[];
  /** Patterns that the configurations name, of which some files may not be seen. */
  readonly hidden: readonly string[];
  /** What the flags name: without it the files are no backup. */
  readonly required: { readonly paths: readonly string[]; readonly hint: string };
  readonly configFile: string | undefined;
  readonly tls: boolean;
}

/** Reads the configuration, the files of scrape configurations it includes, and the web configuration as root, and finds what they name. */
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
  patterns.push(...(await includedPatterns(remote, { file: configFile, text: texts[0] ?? '' }, signal)));
  const consoles = ['web.console.templates', 'web.console.libraries'].map((name) => pathFlag(flags, name, service));
  const [named, wild] = [
    unique(patterns.filter((path) => !isPattern.test(path))),
    unique(patterns.filter((path) => isPattern.test(path))),
  ];
  const expanded = await expandPatterns(remote, wild, signal);
  return {
    configFile,
    tls: servesTls(texts[1] ?? ''),
    named,
    hidden: expanded.hidden,
    directories: [ownDirectory(configFile), ...consoles].filter((path) => path !== undefined),
    files: [...named, ...expanded.paths, ...service.files],
    required: {
      paths: [configFile, webFile].filter((path) => path !== undefined),
      hint: `Put the file back, or start ${service.unit} with the one that it has: what only exists in a container cannot be saved.`,
    },
  };
}

/**
 * What the files of `scrape_config_files` name, from their own directory. Prometheus (2.43 and later) looks in them for scrape configurations
 * only, so that they include no others. Source: `GetScrapeConfigs` in Prometheus' config/config.go.
 */
async function includedPatterns(
  remote: RemoteHost,
  { file, text }: { readonly file: string | undefined; readonly text: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (file === undefined) return [];
  const { paths } = await expandPatterns(remote, namedPatterns(text, directoryOf(file), includeKey), signal);
  const found = await Promise.all(
    unique(paths).map(async (path) => namedPatterns(await readText(remote, path, signal), directoryOf(path))),
  );
  return found.flat();
}

function unique(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)];
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

const isPattern = /[*?[]/;
const includeKey = /^scrape_config_files$/;
const fileKey = /^(?:rule_files|files|scrape_config_files|templates|\w+_file)$/;

/**
 * The values, absolute, of the keys that name files or patterns of them (those that `keys` takes), wherever they stand. Of a text that is no YAML what can be read of it: its
 * program would not load it either.
 */
export function namedPatterns(yaml: string, directory: string, keys = fileKey): readonly string[] {
  const found: string[] = [];
  collect(valueOf(yaml, directory), { keys, found });
  const paths = found.filter((path) => path !== '' && path !== '<secret>');
  return unique(paths.map((path) => (path.startsWith('/') ? path : `${directory}/${path}`)));
}

function valueOf(yaml: string, directory: string): unknown {
  const document = parseDocument(yaml, { logLevel: 'silent', uniqueKeys: false });
  try {
    return document.toJS();
  } catch (cause) {
    throw new BackupError(
      'SERVICE_ANSWER',
      `a configuration file in ${directory} cannot be read: an alias (*name) has no anchor, or aliases are nested too deep`,
      { cause },
    );
  }
}

function collect(value: unknown, into: { readonly keys: RegExp; readonly found: string[] }): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inside] of Object.entries(value)) {
    if (!Array.isArray(value) && into.keys.test(key))
      into.found.push(...[inside].flat().filter((item) => typeof item === 'string'));
    collect(inside, into);
  }
}
