import type { TextCursor } from './text-cursor.js';

type Chomping = 'clip' | 'keep' | 'strip';

/**
 * The content of a block scalar, from its `|` or `>` on. `parentIndent` is the column of the collection it is in, -1 for none.
 * Source: libyaml's scanner, which Ansible uses; YAML 1.1, 9.3 "Block Scalar Styles".
 */
export function scanBlockScalar(cursor: TextCursor, parentIndent: number): string {
  const literal = cursor.peek() === '|';
  cursor.skip();
  const { chomping, increment } = scanHeader(cursor);
  const given = increment === 0 ? undefined : Math.max(parentIndent, 0) + increment;
  const first = takeEmptyLines(cursor, given);
  const indent = given ?? Math.max(first.widest, parentIndent + 1, 1);
  const pieces: string[] = [];
  let breaks = first.breaks;
  let lineBreak = '';
  let wasBlank = false;
  while (cursor.column === indent && !cursor.atEnd) {
    const isBlank = cursor.isBlank();
    if (!literal && lineBreak.startsWith('\n') && !wasBlank && !isBlank) {
      if (breaks === '') pieces.push(' ');
    } else pieces.push(lineBreak);
    pieces.push(breaks);
    wasBlank = isBlank;
    const start = cursor.position;
    cursor.skipToBreak();
    pieces.push(cursor.since(start));
    lineBreak = cursor.takeBreak();
    breaks = takeEmptyLines(cursor, indent).breaks;
  }
  if (chomping !== 'strip') pieces.push(lineBreak);
  if (chomping === 'keep') pieces.push(breaks);
  return pieces.join('');
}

/** What follows the sign: `-` or `+`, a digit for the indentation, in either order, and nothing else on the line but a comment. */
function scanHeader(cursor: TextCursor): { chomping: Chomping; increment: number } {
  const start = cursor.position;
  while ('+-0123456789'.includes(cursor.peek()) && !cursor.atEnd) cursor.skip();
  const header = cursor.since(start);
  if (!/^(?:[+-]?[1-9]?|[1-9][+-])$/.test(header)) {
    throw cursor.fault(
      'a block scalar begins with "|" or ">", then at most one of "-" and "+" and one digit from 1 to 9',
    );
  }
  cursor.skipBlanks();
  if (cursor.peek() === '#') cursor.skipToBreak();
  if (!cursor.isBreakOrEnd()) throw cursor.fault('a block scalar has text in the line of its "|" or ">"');
  cursor.takeBreak();
  const chomping = header.includes('+') ? 'keep' : header.includes('-') ? 'strip' : 'clip';
  return { chomping, increment: Number(header.replace(/[+-]/, '')) };
}

/** Empty lines, and the indentation of the line after them: of `indent` columns, or as wide as it is. */
function takeEmptyLines(cursor: TextCursor, indent: number | undefined): { breaks: string; widest: number } {
  let breaks = '';
  let widest = 0;
  for (;;) {
    while ((indent === undefined || cursor.column < indent) && cursor.peek() === ' ') cursor.skip();
    widest = Math.max(widest, cursor.column);
    if ((indent === undefined || cursor.column < indent) && cursor.peek() === '\t') {
      throw cursor.fault('a tab is where the indentation of a block scalar needs spaces');
    }
    if (!cursor.isBreak()) return { breaks, widest };
    breaks += cursor.takeBreak();
  }
}
