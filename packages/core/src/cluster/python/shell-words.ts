const separators = ' \t\r\n';

/**
 * Splits text into words as Python's `shlex.split` does in its POSIX mode: quotes may start anywhere in a word, a backslash takes
 * the next character as it is (in double quotes only before `"` and `\`), and with `comments` an unquoted `#` ends the text, even
 * in the middle of a word. Throws a SyntaxError on an open quote or a backslash at the end.
 */
export function splitShellWords(text: string, options: { readonly comments: boolean }): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === quote) {
      quote = undefined;
    } else if (quote === "'") {
      word = (word ?? '') + character;
    } else if (character === '\\') {
      index += 1;
      if (index === text.length) throw new SyntaxError('a backslash stands at the end');
      const next = text.charAt(index);
      const kept = quote === '"' && next !== '"' && next !== '\\';
      word = (word ?? '') + (kept ? `\\${next}` : next);
    } else if (quote === '"') {
      word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (separators.includes(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '#' && options.comments) {
      break;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== undefined) throw new SyntaxError(`a quote (${quote}) is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
