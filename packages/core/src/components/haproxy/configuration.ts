/** What the backup needs to know of haproxy's configuration language. Source: HAProxy Configuration Manual 2.2 to 3.0. */
export interface Configuration {
  /** Absolute paths the configuration names: certificates, maps, error pages, scripts. */
  readonly files: readonly string[];
  /** Of those, the lists that name further certificates. */
  readonly certificateLists: readonly string[];
  readonly certificateBase: string | undefined;
  readonly sections: Sections;
}

/** What must be there again after a restore. */
export type Sections = Readonly<{
  frontends: readonly string[];
  backends: readonly string[];
  listens: readonly string[];
  binds: number;
  servers: number;
}>;

const certificateKeywords = new Set(['crt', 'key', 'ocsp', 'issuer', 'sctl']);
const authorityKeywords = new Set(['ca-file', 'crl-file', 'ca-verify-file', 'ca-sign-file']);
const fileKeywords = new Set([
  ...certificateKeywords,
  ...authorityKeywords,
  'crt-list',
  'lua-load',
  'lua-load-per-thread',
  'ssl-dh-param-file',
  'server-state-file',
  'issuers-chain-path',
  'lf-file',
  'file',
  'config',
  '-f',
]);
const mapFunction = /\bmap(?:_\w+)?\(\s*([^,)\s]+)/g;
const sectionKeyword = /^(?:frontend|backend|listen)$/;

/** Reads what the configuration files, one after another as haproxy reads them, say. */
export function parseConfiguration(text: string): Configuration {
  const lines = text.split(/\r?\n/).map(words);
  const base = (keyword: string): string | undefined => lines.find(([first]) => first === keyword)?.[1];
  const bases = { certificate: base('crt-base'), authority: base('ca-base') };
  const named = lines.flatMap((line) => namedFiles(line));
  const absolute = named.flatMap(({ keyword, path }) => {
    const resolved = absoluteFile(
      path,
      certificateKeywords.has(keyword)
        ? bases.certificate
        : authorityKeywords.has(keyword)
          ? bases.authority
          : undefined,
    );
    return resolved === undefined ? [] : [{ keyword, path: resolved }];
  });
  return {
    files: [...new Set(absolute.map(({ path }) => path))],
    certificateLists: [...new Set(absolute.filter(({ keyword }) => keyword === 'crt-list').map(({ path }) => path))],
    certificateBase: bases.certificate,
    sections: sectionsOf(lines),
  };
}

/** The certificate files of a crt-list: the first word of each line. */
export function certificatesOfList(text: string, certificateBase: string | undefined): readonly string[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const path = absoluteFile(words(line)[0] ?? '', certificateBase);
    return path === undefined ? [] : [path];
  });
}

/** haproxy's words: blanks separate, quotes and backslashes keep them, `#` begins a comment. */
export function words(line: string): readonly string[] {
  const result: string[] = [];
  const pattern = /\s+|#.*$|((?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s#"'\\])+)|./gsu;
  for (const [whole, word] of line.matchAll(pattern)) {
    if (word !== undefined)
      result.push(
        word.replace(
          /\\(.)|"((?:\\.|[^"\\])*)"|'([^']*)'/gs,
          (_match, escaped?: string, double?: string, single?: string) =>
            escaped ?? double?.replace(/\\(.)/gs, '$1') ?? single ?? '',
        ),
      );
    else if (whole.startsWith('#')) break;
  }
  return result;
}

function namedFiles(line: readonly string[]): readonly { readonly keyword: string; readonly path: string }[] {
  const found = line.flatMap((word, index) => {
    const next = line[index + 1];
    if (word === 'errorfile') {
      const path = /^\d+$/.test(next ?? '') ? line[index + 2] : next;
      return path === undefined ? [] : [{ keyword: word, path }];
    }
    return fileKeywords.has(word) && next !== undefined ? [{ keyword: word, path: next }] : [];
  });
  const maps = line.flatMap((word) =>
    [...word.matchAll(mapFunction)].map(([, path]) => ({ keyword: 'map', path: path ?? '' })),
  );
  return [...found, ...maps];
}

/** Undefined for what is not a file of its own: in-memory names, variables, relative names without a base. */
function absoluteFile(name: string, base: string | undefined): string | undefined {
  const path = name.replace(/^(?:file|opt)@/, '');
  if (path.includes('$') || /^\w*@/.test(path)) return undefined;
  if (path.startsWith('/')) return normal(path);
  return base?.startsWith('/') === true && path !== '' ? normal(`${base}/${path}`) : undefined;
}

function normal(path: string): string | undefined {
  const result = path.replace(/\/+/g, '/').replace(/\/$/, '');
  return result === '' ? undefined : result;
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
