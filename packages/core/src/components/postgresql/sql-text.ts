/**
 * SQL as psql and the server read it (PostgreSQL's psqlscan.l and scan.l): strings, quoted names, dollar quotes, comments, psql's own lines, and
 * the rest as words and single characters. Whatever is not closed reaches to the end.
 */
const pieces = new RegExp(
  [
    String.raw`--[^\n]*`,
    String.raw`\\[^\n]*`,
    // A string with backslashes knows both ways to hold a quote; in others a doubled quote reads like two strings side by side.
    String.raw`[eE]'(?:[^'\\]+|\\[^]|'')*(?:'|\\?$)`,
    String.raw`'[^']*(?:'|$)`,
    String.raw`"[^"]*(?:"|$)`,
    String.raw`\$(?<tag>(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?)\$(?:[^]*?\$\k<tag>\$|[^]*$)`,
    String.raw`[A-Za-z0-9_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*`,
    String.raw`\/\*`,
    String.raw`\s+`,
    String.raw`[^]`,
  ].join('|'),
  'y',
);

function* piecesOf(text: string): Generator<string, void> {
  for (let at = 0; at < text.length;) {
    pieces.lastIndex = at;
    const piece = pieces.exec(text)?.[0] ?? text.slice(at);
    const whole = piece === '/*' ? blockComment(text, at) : piece;
    yield whole;
    at += whole.length;
  }
}

/** Block comments nest. */
function blockComment(text: string, start: number): string {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  for (let depth = 0; ;) {
    const mark = marks.exec(text);
    if (mark === null) return text.slice(start);
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return text.slice(start, marks.lastIndex);
  }
}

function isSpace(piece: string): boolean {
  return /^(?:\s|--|\/\*|\\)/.test(piece);
}

/** A script in pieces that each end behind a statement's semicolon, but for the last. Joined they are the script. */
export function splitScript(script: string): readonly string[] {
  const parts: string[] = [];
  let part = '';
  for (const piece of piecesOf(script)) {
    part += piece;
    if (piece !== ';') continue;
    parts.push(part);
    part = '';
  }
  return part === '' ? parts : [...parts, part];
}

/** The statements of a script, each with its semicolon, without comments before them and without lines that are for psql (`\restrict`). */
export function statementsOf(script: string): readonly string[] {
  return splitScript(script).flatMap((part) => {
    const words = [...piecesOf(part)];
    const first = words.findIndex((piece) => !isSpace(piece));
    const statement = first === -1 ? '' : words.slice(first).join('').trimEnd();
    return statement === '' || statement === ';' ? [] : [statement];
  });
}

/** The words of a statement: names and strings as they are written, single characters, no space between. */
export function wordsOf(statement: string): readonly string[] {
  const words: string[] = [];
  for (const piece of piecesOf(statement)) {
    const last = words.at(-1);
    // The other half of a name that holds a quote.
    if (last !== undefined && joins(last, piece)) words[words.length - 1] = last + piece;
    else words.push(piece);
  }
  return words.filter((word) => !isSpace(word));
}

function joins(last: string, piece: string): boolean {
  return (piece.startsWith('"') && last.startsWith('"')) || (piece.startsWith("'") && last.endsWith("'"));
}

/** A statement with the first `KEYWORD name` in it standing for another name; unchanged where it has none. */
export function withName(statement: string, [keyword, name]: readonly [string, string], other: string): string {
  let result = '';
  let rest = statement;
  const words = wordsOf(statement);
  for (const [index, word] of words.entries()) {
    const at = rest.indexOf(word);
    result += rest.slice(0, at);
    rest = rest.slice(at);
    if (index > 0 && words[index - 1] === keyword && nameOf(word) === name)
      return result + quoteName(other) + rest.slice(word.length);
    result += word;
    rest = rest.slice(word.length);
  }
  return statement;
}

/** What a written name stands for. */
export function nameOf(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word.toLowerCase();
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** For sessions with `standard_conforming_strings`. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
