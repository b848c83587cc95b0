/**
 * Text as Python's `str` sees it. Inventory files mean what Ansible makes of them, and Ansible is Python: its idea of white space,
 * of a line and of order differs from JavaScript's.
 */

/** Inside of a regular expression's character class: what Python's `str.isspace` and `\s` accept. */
export const whitespaceClass = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** Inside of a regular expression's character class (with the `u` flag): what Python's `\w` accepts. */
export const wordClass = '\\p{L}\\p{N}_';

const whitespace = new RegExp(`[${whitespaceClass}]`);
const lineEndClass = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029';
const lineEnd = new RegExp(`\\r\\n|[${lineEndClass}]`);

/** The text without white space at both ends. */
export function strip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && whitespace.test(text.charAt(start))) start += 1;
  while (end > start && whitespace.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** The lines without their ends; an end after the last line gives one more, empty line. */
export function splitLines(text: string): string[] {
  return text.split(lineEnd);
}

/** For sorting by Unicode code point, as Python does; JavaScript's own order is by UTF-16 unit. */
export function compareCodePoints(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left, 'utf8'), Buffer.from(right, 'utf8'));
}
