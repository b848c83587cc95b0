import type { TextCursor } from './text-cursor.js';

const escapes: ReadonlyMap<string, string> = new Map([
  ['0', '\0'],
  ['a', '\x07'],
  ['b', '\b'],
  ['t', '\t'],
  ['\t', '\t'],
  ['n', '\n'],
  ['v', '\v'],
  ['f', '\f'],
  ['r', '\r'],
  ['e', '\x1b'],
  [' ', ' '],
  ['"', '"'],
  ['/', '/'],
  ['\\', '\\'],
  ['N', '\x85'],
  ['_', '\xa0'],
  ['L', '\u2028'],
  ['P', '\u2029'],
]);
const digitsAfter: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
]);

/**
 * The content of a scalar in quotes, from its first quote to after its last.
 * Source: libyaml's scanner, which Ansible uses; YAML 1.1, 9.1 "Flow Scalar Styles".
 */
export function scanQuotedScalar(cursor: TextCursor): string {
  const quote = cursor.peek();
  const begin = cursor.line;
  cursor.skip();
  const pieces: string[] = [];
  for (;;) {
    if (cursor.isDocumentMark())
      throw cursor.fault(`a quote (${quote}) is not closed before the end of the document`, begin);
    if (cursor.atEnd) throw cursor.fault(`a quote (${quote}) is not closed`, begin);
    const joined = takeQuotedWord(cursor, quote, pieces);
    if (cursor.peek() === quote) break;
    pieces.push(takeSpace(cursor, joined));
  }
  cursor.skip();
  return pieces.join('');
}

/** Up to white space or the quote that ends the scalar; true when it ended with a `\` at a line end, which joins the lines. */
function takeQuotedWord(cursor: TextCursor, quote: string, pieces: string[]): boolean {
  let start = cursor.position;
  const flush = (): void => {
    if (cursor.position > start) pieces.push(cursor.since(start));
  };
  while (!cursor.isBlankBreakOrEnd()) {
    const character = cursor.peek();
    if (quote === "'" && character === "'" && cursor.peek(1) === "'") {
      flush();
      pieces.push("'");
      cursor.skip(2);
      start = cursor.position;
    } else if (character === quote) break;
    else if (quote === '"' && character === '\\') {
      flush();
      cursor.skip();
      if (cursor.isBreak()) {
        cursor.takeBreak();
        return true;
      }
      pieces.push(takeEscape(cursor));
      start = cursor.position;
    } else cursor.skip();
  }
  flush();
  return false;
}

function takeEscape(cursor: TextCursor): string {
  const letter = cursor.peek();
  const simple = escapes.get(letter);
  if (simple !== undefined) {
    cursor.skip();
    return simple;
  }
  const length = digitsAfter.get(letter);
  const digits = cursor.text.slice(cursor.position + 1, cursor.position + 1 + (length ?? 0));
  const code = parseInt(digits, 16);
  const isCharacter = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  if (length === undefined || digits.length !== length || !/^[0-9a-fA-F]+$/.test(digits) || !isCharacter) {
    throw cursor.fault(String.raw`text in double quotes has a "\" that begins no known escape`);
  }
  cursor.skip(1 + length);
  return String.fromCodePoint(code);
}

/** White space between words: as it is in one line, folded over several. */
function takeSpace(cursor: TextCursor, joined: boolean): string {
  const start = cursor.position;
  cursor.skipBlanks();
  const blanks = cursor.since(start);
  if (!joined && !cursor.isBreak()) return blanks;
  const lineBreak = joined ? '' : cursor.takeBreak();
  return folded(lineBreak, takeBreaks(cursor));
}

function takeBreaks(cursor: TextCursor): string {
  let breaks = '';
  for (;;) {
    cursor.skipBlanks();
    if (!cursor.isBreak()) return breaks;
    breaks += cursor.takeBreak();
  }
}

/** One line end becomes a space, more become one less. */
function folded(first: string, others: string): string {
  if (!first.startsWith('\n')) return first + others;
  return others === '' ? ' ' : others;
}

/**
 * The content of a scalar without quotes; `indent` is that of the collection it is in, -1 for none. Tells whether it ended after a
 * line end.
 */
export function scanPlainScalar(
  cursor: TextCursor,
  context: { readonly indent: number; readonly inFlow: boolean },
): { readonly text: string; readonly endedLine: boolean } {
  const pieces: string[] = [];
  let space = '';
  let endedLine = false;
  for (;;) {
    if (cursor.isDocumentMark() || cursor.peek() === '#') break;
    const start = cursor.position;
    cursor.skipRun(plainRun);
    while (!cursor.isBlankBreakOrEnd() && !endsPlain(cursor, context.inFlow)) {
      cursor.skip();
      cursor.skipRun(plainRun);
    }
    if (cursor.position > start) {
      pieces.push(space, cursor.since(start));
      endedLine = false;
    }
    if (!cursor.isBlank() && !cursor.isBreak()) break;
    ({ space, endedLine } = takePlainSpace(cursor, context));
    if (!context.inFlow && cursor.column < context.indent + 1) break;
  }
  return { text: pieces.join(''), endedLine };
}

/** Characters that end no scalar without quotes, wherever it is. */
const plainRun = /[^ \t\n\r\x85\u2028\u2029:,[\]{}]*/y;

function endsPlain(cursor: TextCursor, inFlow: boolean): boolean {
  const character = cursor.peek();
  if (character === ':') {
    if (inFlow && cursor.peek(1) !== '' && ',?[]{}'.includes(cursor.peek(1))) {
      throw cursor.fault(
        'a ":" is followed by a sign of a list or mapping: put a space after it, or quotes around the text',
      );
    }
    return cursor.isBlankBreakOrEnd(1);
  }
  return inFlow && character !== '' && ',[]{}'.includes(character);
}

function takePlainSpace(
  cursor: TextCursor,
  { indent }: { readonly indent: number },
): { readonly space: string; readonly endedLine: boolean } {
  const start = cursor.position;
  cursor.skipBlanks();
  const blanks = cursor.since(start);
  if (!cursor.isBreak()) return { space: blanks, endedLine: false };
  const first = cursor.takeBreak();
  let others = '';
  for (;;) {
    while (cursor.isBlank()) {
      if (cursor.peek() === '\t' && cursor.column < indent + 1)
        throw cursor.fault('a tab is where the indentation needs spaces');
      cursor.skip();
    }
    if (!cursor.isBreak()) return { space: folded(first, others), endedLine: true };
    others += cursor.takeBreak();
  }
}
