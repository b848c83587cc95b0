interface Value {
  readonly text: string;
  readonly end: number;
}

/**
 * The variables of an EnvironmentFile, read as systemd does: nothing is run or expanded, a line without `=` and one that begins with `#` or `;` is no
 * assignment, quotes may go over several lines, a backslash takes a line break away. Source: systemd.exec(5), EnvironmentFile=, and parse_env_file_internal()
 * of systemd's src/basic/env-file.c.
 */
export function parseEnvironmentFile(text: string): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  const source = text.replaceAll('\r\n', '\n');
  let at = 0;
  while (at < source.length) {
    const start = /[^\s]/g;
    start.lastIndex = at;
    at = start.exec(source)?.index ?? source.length;
    const lineEnd = endOfLine(source, at);
    const equals = source.indexOf('=', at);
    if (/[#;]/.test(source.charAt(at))) at = endOfComment(source, at);
    else if (equals === -1 || equals > lineEnd) at = lineEnd + 1;
    else {
      const name = source.slice(at, equals).trim();
      const value = valueAt(source, equals + 1);
      if (/^[A-Za-z_]\w*$/.test(name)) variables.set(name, value.text);
      at = value.end + 1;
    }
  }
  return variables;
}

function endOfLine(source: string, at: number): number {
  const end = source.indexOf('\n', at);
  return end === -1 ? source.length : end;
}

/** A backslash at its end makes the next line part of a comment. */
function endOfComment(source: string, at: number): number {
  let end = endOfLine(source, at);
  while (source[end - 1] === '\\' && end < source.length) end = endOfLine(source, end + 1);
  return end + 1;
}

const pieces = {
  single: /'([^']*)(?:'|$)/y,
  double: /"((?:\\[^]|[^"\\])*)(?:"|$)/y,
  plain: /(?:\\[^]|[^\n\\])+/y,
};

/** Quotes count only where a value, or what follows a quoted piece of it, begins. */
function valueAt(source: string, start: number): Value {
  let text = '';
  let at = start;
  for (;;) {
    const blanks = /[^\S\n]*/y;
    blanks.lastIndex = at;
    at += blanks.exec(source)?.[0].length ?? 0;
    const single = matchAt(pieces.single, source, at);
    const double = matchAt(pieces.double, source, at);
    if (single !== undefined) text += single.content;
    else if (double !== undefined) text += double.content.replace(/\\(["$\\`\n])/g, unescaped);
    else break;
    at = (single ?? double)?.end ?? at;
  }
  const plain = matchAt(pieces.plain, source, at);
  if (plain === undefined) return { text, end: at };
  const rest = plain.content.replace(/\\([^])/g, unescaped);
  const isEscaped = /\\\s$/.test(plain.content);
  const trimmed = isEscaped ? rest : rest.trimEnd();
  return { text: text + trimmed, end: plain.end };
}

function unescaped(_match: string, character: string): string {
  return character === '\n' ? '' : character;
}

function matchAt(
  pattern: RegExp,
  source: string,
  at: number,
): { readonly content: string; readonly end: number } | undefined {
  pattern.lastIndex = at;
  const match = pattern.exec(source);
  return match === null ? undefined : { content: match[1] ?? match[0], end: pattern.lastIndex };
}
