/** Stands for the `$` of a variable whose value is not known; no haproxy word can hold it. */
export const unknownVariable = '\0';

export type Variables = ReadonlyMap<string, string>;

/**
 * haproxy's words: blanks separate, quotes and backslashes keep them, `#` begins a comment. With `variables`, `$NAME` and
 * `${NAME}` between double quotes are replaced, as haproxy does. Source: HAProxy Configuration Manual, 2.2 "Quoting and escaping"
 * and 2.3 "Environment variables".
 */
export function words(line: string, variables?: Variables): readonly string[] {
  const result: string[] = [];
  const pattern = /\s+|#.*$|((?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s#"'\\])+)|./gsu;
  for (const [whole, word] of line.matchAll(pattern)) {
    if (word !== undefined)
      result.push(
        word.replace(
          /\\(.)|"((?:\\.|[^"\\])*)"|'([^']*)'/gs,
          (_match, escaped?: string, double?: string, single?: string) =>
            escaped ?? (double === undefined ? undefined : unquote(double, variables)) ?? single ?? '',
        ),
      );
    else if (whole.startsWith('#')) break;
  }
  return result;
}

/** A word as people wrote it: `${NAME}` where the value is not known. */
export function readable(word: string): string {
  return word.replaceAll(unknownVariable, '$');
}

function unquote(text: string, variables: Variables | undefined): string {
  return text.replace(
    /\\(?<escaped>.)|\$(?:(?<plain>\w+)|\{(?<braced>\w+)(?:\[\*\])?(?:-(?<otherwise>[^}]*))?\})/gs,
    (match: string, ...groups: unknown[]) => {
      const { escaped, plain, braced, otherwise } = groups.at(-1) as Readonly<Record<string, string | undefined>>;
      if (escaped !== undefined) return escaped;
      if (variables === undefined) return match;
      return variables.get(plain ?? braced ?? '') ?? otherwise ?? `${unknownVariable}${match.slice(1)}`;
    },
  );
}
