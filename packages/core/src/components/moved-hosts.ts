import type { Finding, MovedHost } from './restore.js';

/** Lines of a configuration that name a host which is called or reached differently now. */
export function findMoved(
  text: string,
  moved: readonly MovedHost[],
): readonly (Pick<Finding, 'text' | 'why'> & { readonly line: number })[] {
  if (moved.length === 0) return [];
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (/^\s*[#;]/.test(line)) return [];
    const found = moved.flatMap(({ archived, target, address }) =>
      archived
        .filter((name) => names(line, name))
        .map((name) => `${name} is ${target === archived[0] ? '' : `${target}, `}${address} now`),
    );
    return found.length === 0 ? [] : [{ line: index + 1, text: withoutSecrets(line.trim()), why: found.join('; ') }];
  });
}

/** As a word of its own: `db1` is neither in `db10` nor in `xdb1`. */
function names(line: string, name: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w.-])${escaped}(?![\\w-]|\\.\\w)`).test(line);
}

/** A line of configuration may hold a password beside the name. */
function withoutSecrets(line: string): string {
  return line
    .replaceAll(/:\/\/[^\s/@]*@/g, '://[secret]@')
    .replaceAll(/((?:password|passwd|secret|token|auth)\S*\s*[=: ]\s*)\S+/gi, '$1[secret]');
}
