/** Characters that mean something to a shell where they are not quoted; `~` and `#` only at the start of a word. */
const shellSyntax = /[|&;<>()$`*?{}!\n\r]/;

/**
 * The words of a simple command as /bin/sh splits it, `~/` expanded; undefined where the shell would do more than split: variables,
 * pipes, patterns, several commands, an assignment in front. Source: POSIX.1-2017, Shell Command Language 2.2 and 2.6.
 */
export function simpleCommandWords(command: string, homeDirectory: string): readonly string[] | undefined {
  const words: string[] = [];
  const pieces = command.matchAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([ \t]+)|([^'"\\ \t]+)|(.)/gs);
  let word: string | undefined;
  for (const [, single, double, escaped, space, plain] of pieces) {
    if (space !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (single !== undefined || escaped !== undefined) {
      word = (word ?? '') + (single ?? escaped ?? '');
    } else if (double !== undefined) {
      if (/[$`]/.test(double)) return undefined;
      word = (word ?? '') + double.replace(/\\(["\\])/g, '$1');
    } else if (plain !== undefined && isPlain(plain, word === undefined)) {
      word = word === undefined && plain.startsWith('~/') ? homeDirectory + plain.slice(1) : (word ?? '') + plain;
    } else {
      return undefined;
    }
  }
  if (word !== undefined) words.push(word);
  return /^[A-Za-z_][A-Za-z0-9_]*=/.test(words[0] ?? '') ? undefined : words;
}

function isPlain(text: string, startsWord: boolean): boolean {
  if (shellSyntax.test(text)) return false;
  return !startsWord || (!text.startsWith('#') && (!text.startsWith('~') || text.startsWith('~/')));
}
