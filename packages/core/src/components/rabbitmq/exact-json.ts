import { randomUUID } from 'node:crypto';
import type { Json } from '../../model/json.js';
import { parseJson } from '../../model/parse-json.js';

/** Stands before a number that JavaScript would print otherwise (1.0, integers above 2^53). Random, so that no text of the definitions begins with it. */
const mark = `number ${randomUUID()} `;
const stringOrNumber = /"(?:[^"\\]|\\.)*"|-?\d[-+.eE\d]*/g;
const markedNumber = new RegExp(`"${mark}([-+.eE\\d]+)"`, 'g');

/** As parseJson, but `exactJsonText` prints every number as it was: RabbitMQ tells 1 from 1.0, and its integers have 64 bits. */
export function parseExactJson(text: string): unknown {
  return parseJson(
    text.replace(stringOrNumber, (token) =>
      token.startsWith('"') || String(Number(token)) === token ? token : `"${mark}${token}"`,
    ),
  );
}

/** JSON with sorted keys, so that equal values are equal texts. */
export function exactJsonText(value: Json): string {
  return sorted(value).replace(markedNumber, '$1');
}

function sorted(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(sorted).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${sorted(inner)}`);
  return `{${pairs.sort().join(',')}}`;
}
