import { readable, unknownVariable, words, type Variables } from './words.js';

/** What the backup needs to know of haproxy's configuration language. Source: HAProxy Configuration Manual 2.2 to 3.0. */
export interface Configuration extends NamedFiles {
  /** Of `files`, the lists that name further certificates. */
  readonly certificateLists: readonly string[];
  /** What names in certificate lists are relative to. */
  readonly bases: Bases;
  readonly sections: Sections;
}

export interface NamedFiles {
  /** Absolute paths the configuration names: certificates, maps, error pages, scripts. */
  readonly files: readonly string[];
  /** Of those, the certificates: haproxy reads files beside them by itself. */
  readonly certificates: readonly string[];
  /** Names that stand for no path that can be known, as they are written. */
  readonly unresolved: readonly string[];
}

/** What must be there again after a restore. */
export type Sections = Readonly<{
  frontends: readonly string[];
  backends: readonly string[];
  listens: readonly string[];
  binds: number;
  servers: number;
}>;

/** Where haproxy runs, as far as it decides what a name means. */
export interface Place {
  /** Absolute. */
  readonly workingDirectory: string;
  /** The first configuration file. */
  readonly configurationFile: string;
  readonly variables: Variables;
}

/** Absolute directories. */
interface Bases {
  readonly working: string;
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

type BaseName = keyof Bases;

/** A file name in the configuration and what it is relative to. */
interface Name {
  readonly keyword: string;
  readonly name: string;
  readonly base: BaseName;
}

const bases: ReadonlyMap<string, BaseName> = new Map([
  ['crt', 'certificate'],
  ['ca-file', 'authority'],
  ['crl-file', 'authority'],
  ['ca-verify-file', 'authority'],
  ['httpclient.ssl.ca-file', 'authority'],
  ...(
    [
      'ca-sign-file',
      'crt-list',
      'tls-ticket-keys',
      'lua-load',
      'lua-load-per-thread',
      'lua-prepend-path',
      'ssl-dh-param-file',
      'server-state-file',
      'issuers-chain-path',
      'lf-file',
      '51degrees-data-file',
      'deviceatlas-json-file',
      'wurfl-data-file',
      'wurfl-patch-file',
      '-f',
    ] as const
  ).map((keyword) => [keyword, 'working'] as const),
]);
/** Words too common to mean a file on every line: the first words of the lines where they do. */
const onlyOn: readonly { readonly first: RegExp; readonly words: ReadonlyMap<string, BaseName> }[] = [
  {
    first: /^load$/,
    words: new Map([
      ['key', 'key'],
      ['ocsp', 'certificate'],
      ['issuer', 'certificate'],
      ['sctl', 'certificate'],
    ]),
  },
  { first: /^(?:http|tcp)-(?:request|response|after-response|error)$/, words: new Map([['file', 'working']]) },
  { first: /^filter$/, words: new Map([['config', 'working']]) },
  { first: /^(?:external-check|command)$/, words: new Map([['command', 'working']]) },
];
const functions = [
  /\bmap(?:_\w+)?\(\s*([^,)]*[^,)\s])/g,
  // With HS algorithms the second argument is a secret, and with an algorithm in a variable it may be one: then only what looks like a path is taken.
  /\bjwt_verify\w*\(\s*(?:RS|ES|PS)\d+,\s*(?!(?:proc|sess|txn|req|res|check)\.)([^,)]*[^,)\s])/g,
  /\bjwt_verify\w*\((?!\s*(?:HS|RS|ES|PS)\d)[^,()]*,\s*(?!(?:proc|sess|txn|req|res|check)\.)(\/[^,)]*[^,)\s]|[^,)]*\.(?:pem|pub|crt|cer|key))(?=[,)\s])/g,
];
const sharedDirectory = /^\/(?:[^/]+|usr\/[^/]+|usr\/local\/[^/]+|usr\/(?:local\/)?(?:share|lib)\/lua(?:\/[\d.]+)?)\/$/;
const sectionKeyword = /^(?:frontend|backend|listen)$/;

/** Reads what the configuration files, one after another as haproxy reads them, say. */
export function parseConfiguration(text: string, place: Place): Configuration {
  const variables = new Map(place.variables);
  const lines: (readonly string[])[] = [];
  const collected = new Collected();
  let current = startBases(place);
  for (const line of text.split(/\r?\n/)) {
    const parts = words(line, variables);
    lines.push(parts);
    setVariable(variables, parts);
    current = nextBases(current, parts, place);
    for (const name of namesOf(parts)) collected.add(name, current);
  }
  return { ...collected.result(), certificateLists: collected.lists(), bases: current, sections: sectionsOf(lines) };
}

/** The files of a crt-list: the first word of each line, and authorities between the brackets. */
export function filesOfList(text: string, base: Bases): NamedFiles {
  const collected = new Collected();
  for (const line of text.split(/\r?\n/)) {
    const [first, ...options] = words(line.replace(/[[\]]/g, ' '));
    if (first === undefined) continue;
    collected.add({ keyword: 'crt', name: first, base: 'certificate' }, base);
    for (const name of namesOf(options)) collected.add(name, base);
  }
  return collected.result();
}

/** Names as they are found, each once, as absolute paths. */
class Collected {
  readonly #files = new Map<string, Set<string>>();
  readonly #unresolved = new Set<string>();

  add({ keyword, name, base }: Name, bases: Bases): void {
    const path = name.replace(/^(?:file|opt)@/, '');
    // In-memory files, haproxy's own lists and names of a crt-store.
    if (path === '' || /^\w*@/.test(path)) return;
    const absolute = resolve(path, bases[base]);
    if (absolute.includes(unknownVariable))
      this.#unresolved.add(readable(path.includes(unknownVariable) ? path : absolute));
    else this.#files.set(absolute, (this.#files.get(absolute) ?? new Set()).add(keyword));
  }

  result(): NamedFiles {
    return {
      files: [...this.#files.keys()],
      certificates: this.#with('crt'),
      unresolved: [...this.#unresolved],
    };
  }

  lists(): readonly string[] {
    return this.#with('crt-list');
  }

  #with(keyword: string): readonly string[] {
    return [...this.#files].filter(([, keywords]) => keywords.has(keyword)).map(([path]) => path);
  }
}

function startBases({ workingDirectory: working }: Place): Bases {
  return { working, certificate: working, key: working, authority: working };
}

/** `crt-base`, `key-base` and `ca-base` hold for what comes after them; those of a crt-store for the store. */
function nextBases(current: Bases, [first = '', value = '', third = '']: readonly string[], place: Place): Bases {
  if (first === 'default-path') return moveBases(current, defaultPath(value, third, place));
  if (value === '') return current;
  if (first === 'crt-base') return { ...current, certificate: resolve(value, current.working) };
  if (first === 'key-base') return { ...current, key: resolve(value, current.working) };
  if (first === 'ca-base') return { ...current, authority: resolve(value, current.working) };
  return current;
}

/** What is relative to the working directory now is relative to `working` from here. */
function moveBases(current: Bases, working: string): Bases {
  const moved = (base: string): string => (base === current.working ? working : base);
  return {
    working,
    certificate: moved(current.certificate),
    key: moved(current.key),
    authority: moved(current.authority),
  };
}

/** `default-path current|config|parent|origin DIR`: what relative names are relative to, since 2.5. */
function defaultPath(kind: string, origin: string, place: Place): string {
  const directory = resolve(place.configurationFile, place.workingDirectory).replace(/\/[^/]*$/, '') || '/';
  if (kind === 'config') return directory;
  if (kind === 'parent') return directory.replace(/\/[^/]*$/, '') || '/';
  return kind === 'origin' ? resolve(origin, place.workingDirectory) : place.workingDirectory;
}

function setVariable(variables: Map<string, string>, [first, name, value = '']: readonly string[]): void {
  if (name === undefined) return;
  if (first === 'setenv' || (first === 'presetenv' && !variables.has(name))) variables.set(name, value);
  if (first === 'unsetenv') variables.delete(name);
}

function namesOf(line: readonly string[]): readonly Name[] {
  const special = onlyOn.filter(({ first }) => first.test(line[0] ?? '')).flatMap((rule) => [...rule.words]);
  const known = new Map([...bases, ...special]);
  const found = line.flatMap((keyword, index): readonly Name[] => {
    const next = line[index + 1];
    if (keyword === 'errorfile') {
      const name = /^\d+$/.test(next ?? '') ? line[index + 2] : next;
      return name === undefined ? [] : [{ keyword, name, base: 'working' }];
    }
    const base = known.get(keyword);
    if (base === undefined || next === undefined) return [];
    // A program from PATH, of a `program` section.
    if (keyword === 'command' && index === 0 && !next.includes('/')) return [];
    if (keyword === 'lua-prepend-path') return luaDirectories(next).map((name) => ({ keyword, name, base }));
    return [{ keyword, name: next, base }];
  });
  const inCalls = line.flatMap((word) =>
    functions.flatMap((pattern) =>
      [...word.matchAll(pattern)].map(([, name = '']): Name => ({ keyword: '()', name, base: 'working' })),
    ),
  );
  return [...found, ...inCalls];
}

/**
 * Of templates like `/etc/haproxy/lua/?/init.lua` the directories in front of what stands for a module's name, unless all of a system's
 * programs or modules lie there. Source: Lua reference manual, package.searchpath.
 */
function luaDirectories(templates: string): readonly string[] {
  const directories = templates.split(';').map((template) => template.replace(/[^/]*\?.*$/, ''));
  return directories.filter((directory) => /[^/]/.test(directory) && !sharedDirectory.test(directory));
}

function resolve(path: string, base: string): string {
  const absolute = path.startsWith('/') || path.startsWith(unknownVariable) ? path : `${base}/${path}`;
  return absolute.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
}

function sectionsOf(lines: readonly (readonly string[])[]): Sections {
  const names = (keyword: string): readonly string[] =>
    lines
      .filter(([first, name]) => first === keyword && name !== undefined && sectionKeyword.test(first))
      .map(([, name]) => name ?? '');
  const count = (keyword: string): number => lines.filter(([first]) => first === keyword).length;
  return {
    frontends: names('frontend'),
    backends: names('backend'),
    listens: names('listen'),
    binds: count('bind'),
    servers: count('server'),
  };
}
