import type { TextCursor } from './text-cursor.js';

const wordCharacter = /[0-9A-Za-z_-]/;
const addressCharacter = /[0-9A-Za-z_\-;/?:@&=+$.!~*'()%]/;
const verbatimCharacter = /[0-9A-Za-z_\-;/?:@&=+$.!~*'()%,[\]]/;

/** The name after `&` or `*`. */
export function scanName(cursor: TextCursor): string {
  const sign = cursor.peek();
  cursor.skip();
  const start = cursor.position;
  while (wordCharacter.test(cursor.peek())) cursor.skip();
  const name = cursor.since(start);
  if (name === '' || !(cursor.isBlankBreakOrEnd() || '?:,]}%@`'.includes(cursor.peek()))) {
    throw cursor.fault(
      `${sign === '&' ? 'an anchor' : 'an alias'} has characters other than letters, digits, "-" and "_": put quotes around a value that begins with "${sign}"`,
    );
  }
  return name;
}

/** The tag in full: `!vault`, `tag:yaml.org,2002:str` for `!!str`, `!` alone. */
export function scanTag(cursor: TextCursor, inFlow: boolean): string {
  const tag = cursor.peek(1) === '<' ? verbatimTag(cursor) : shortTag(cursor);
  const isEnd = cursor.isBlankBreakOrEnd() || (inFlow && cursor.peek() === ',');
  if (!isEnd) throw cursor.fault('a tag is not followed by a space: put quotes around a value that begins with "!"');
  return tag;
}

function verbatimTag(cursor: TextCursor): string {
  cursor.skip(2);
  const address = takeAddress(cursor, verbatimCharacter);
  if (address === '' || cursor.peek() !== '>') throw cursor.fault('a tag !<...> is empty or not closed');
  cursor.skip();
  return address;
}

function shortTag(cursor: TextCursor): string {
  cursor.skip();
  const start = cursor.position;
  while (wordCharacter.test(cursor.peek())) cursor.skip();
  const word = cursor.since(start);
  if (cursor.peek() !== '!') return `!${word}${takeAddress(cursor, addressCharacter)}`;
  cursor.skip();
  const suffix = takeAddress(cursor, addressCharacter);
  if (suffix === '') throw cursor.fault('a tag has no name');
  if (word !== '') throw cursor.fault('the handle of a tag ("!handle!name") is not declared');
  return `tag:yaml.org,2002:${suffix}`;
}

/** With `%41` for characters that are not allowed themselves. */
function takeAddress(cursor: TextCursor, allowed: RegExp): string {
  const start = cursor.position;
  while (allowed.test(cursor.peek())) cursor.skip();
  try {
    return decodeURIComponent(cursor.since(start));
  } catch {
    throw cursor.fault('a tag has a "%" that is not followed by the digits of a character');
  }
}

/** Reads `%YAML 1.1` to the end of its line. Other directives are refused: nothing in Ansible has a use for them. */
export function scanDirective(cursor: TextCursor): void {
  const start = cursor.position;
  cursor.skipToBreak();
  if (!/^%YAML[ \t]+1\.[12][ \t]*(?:#.*)?$/.test(cursor.since(start))) {
    throw cursor.fault(
      'a line that begins with "%" is a directive, of which only "%YAML 1.1" and "%YAML 1.2" are known',
    );
  }
}
