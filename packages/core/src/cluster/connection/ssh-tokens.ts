import type { OptionPlace } from './ssh-options.js';

/** The text with ssh's tokens (`%h`) replaced; `%%` is a per cent sign. Throws a fault of the place for a token that has no value there. */
export function expandTokens(text: string, values: ReadonlyMap<string, string>, place: OptionPlace): string {
  return text.replace(/%(.?)/gsu, (token, letter: string) => {
    const value = letter === '%' ? '%' : values.get(letter);
    if (value === undefined) throw place.fault(`ssh has no token "${token}" there`);
    return value;
  });
}
