import { isMap, isNode, isPair, type Document, type LineCounter } from 'yaml';
import type { z } from 'zod';

/** `file:line` of a place in a YAML document; the nearest enclosing node that is there, when the place is not. */
export function positionOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length--) {
    const offset = offsetOf(document, path.slice(0, length));
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

/** Prefers the key over the value: that is the line a person looks for. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  const key = path.at(-1);
  const parent: unknown = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  if (key !== undefined && isMap(parent)) {
    const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(key));
    if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0];
    return undefined;
  }
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) ? node.range?.[0] : undefined;
}

/** One line per problem: which key, and what is wrong with it. */
export function issueText(issue: z.core.$ZodIssue): { readonly path: readonly PropertyKey[]; readonly text: string } {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    return { path: [...issue.path, key], text: `unknown key "${[...issue.path, key].map(String).join('.')}"` };
  }
  const name = issue.path.map(String).join('.');
  const problem = issue.code === 'invalid_type' ? `must be ${kinds[issue.expected] ?? issue.expected}` : issue.message;
  return { path: issue.path, text: name === '' ? problem : `${name}: ${problem}` };
}

/** What YAML calls it, for the validator's names of types. */
const kinds: Readonly<Record<string, string>> = {
  array: 'a list',
  record: 'a mapping of keys to values',
  object: 'a mapping of keys to values',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};
