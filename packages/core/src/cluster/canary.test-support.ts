import { inspect } from 'node:util';

/** In every word of the texts that no message may have. */
export const canary = 'Zq7';

/** What breaks a text in INI, YAML or JSON, or gives what follows another meaning. */
const faults = [
  ...['"', "'", '\\', '\\q', '\t', ' ', '\n', '\n ', '\r', '\0', '\ufeff', '\ud800'],
  ...['!', '!!', '!!int ', '!!seq ', '!Vault ', '!x!', '!<', '&', '&a ', '*', '%', '@', '`', '|', '>', '#', '= ', ','],
  ...['[', ']', '{', '}', '{{ ', ' }}', '[1:', ': ', ' :', '- ', '? ', '<<: ', '\n---\n', '\n%TAG ! x\n', '\n[', '\n]'],
];

/**
 * The text with one fault each: before every word with the canary all kinds of faults, at every other place where a word begins or ends
 * and at every other sign one in five by turns; without the rest of the text, or that one sign, from there on; with every line twice, or
 * much longer; with the line ends of Windows, and with a byte order mark.
 */
export function brokenTexts(text: string): readonly string[] {
  const places = [...text.matchAll(/\b|\W|$/gu)].map(({ index }) => index);
  const inserted = places.flatMap((place, turn) => {
    const before = text.slice(0, place);
    const rest = text.slice(place);
    const chosen = faults.filter((_, index) => rest.startsWith(canary) || (index + turn) % 5 === 0);
    return chosen.map((fault) => before + fault + rest);
  });
  const shortened = places.flatMap((place) => [text.slice(0, place), text.slice(0, place) + text.slice(place + 1)]);
  const lines = text.split('\n');
  const changed = lines.flatMap((line, index) =>
    [`${line}\n${line}`, `${line}${canary.repeat(1000)}`, `${canary.repeat(1000)}${line}`].map((other) =>
      lines.with(index, other).join('\n'),
    ),
  );
  return [...inserted, ...shortened, ...changed, text.replaceAll('\n', '\r\n'), `\ufeff${text}`];
}

/** All that can be shown of what was thrown: the message, the hint, and those of its causes, with their properties. */
export function shownOf(error: unknown): string {
  return inspect(error, { depth: Infinity, maxStringLength: Infinity });
}
