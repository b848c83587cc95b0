const whiteSpace = ' \t\r\n';

/**
 * The first word of an ssh_config line and what follows it: words end at white space or at one `=`, and double quotes hold white
 * space together. Undefined at the end and where a quote is not closed. Source: strdelim in OpenSSH's misc.c.
 */
export function nextWord(text: string): { readonly word: string; readonly rest: string } | undefined {
  if (text === '') return undefined;
  const end = text.search(/[ \t\r\n"=]/);
  if (end === -1) return { word: text, rest: '' };
  if (text.charAt(end) === '"') {
    const close = text.indexOf('"', end + 1);
    if (close === -1) return undefined;
    return { word: text.slice(0, end) + text.slice(end + 1, close), rest: skipWhiteSpace(text, close + 1) };
  }
  const rest = skipWhiteSpace(text, end + 1);
  const skipsEquals = text.charAt(end) !== '=' && rest.startsWith('=');
  return { word: text.slice(0, end), rest: skipsEquals ? skipWhiteSpace(rest, 1) : rest };
}

function skipWhiteSpace(text: string, from: number): string {
  let start = from;
  while (start < text.length && whiteSpace.includes(text.charAt(start))) start += 1;
  return text.slice(start);
}

/** One line of ssh_config, or the value of `-o`. */
export interface OptionLine {
  /** In lower case. */
  readonly keyword: string;
  /** The keyword as it was written. */
  readonly name: string;
  /** All after the keyword, for the options whose value is one text. */
  readonly text: string;
}

/**
 * The parts of a line; undefined for an empty one and for a comment. Source: process_config_line_depth in OpenSSH's readconf.c.
 * Throws a SyntaxError where nothing follows the keyword.
 */
export function parseOptionLine(line: string): OptionLine | undefined {
  const trimmed = line.replace(/[ \t\r\n\f]+$/, '');
  let first = nextWord(trimmed);
  if (first?.word === '') first = nextWord(first.rest);
  if (first === undefined || first.word === '' || first.word.startsWith('#')) return undefined;
  if (first.rest === '') throw new SyntaxError(`nothing follows ${first.word}`);
  return { keyword: first.word.toLowerCase(), name: first.word, text: first.rest };
}

/**
 * The words of a value: quotes may start anywhere in a word, a backslash takes a quote, a backslash or (outside quotes) a space as it
 * is and stays before anything else, and a word that begins with `#` ends the text. Source: argv_split in OpenSSH's misc.c.
 * Throws a SyntaxError where a quote is not closed.
 */
export function splitOptionWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    const next = text.charAt(index + 1);
    if (word === undefined && (character === ' ' || character === '\t')) continue;
    if (word === undefined && character === '#') break;
    word ??= '';
    if (character === '\\' && next !== '' && ('\'"\\'.includes(next) || (quote === '' && next === ' '))) {
      word += next;
      index += 1;
    } else if (quote === '' && (character === ' ' || character === '\t')) {
      words.push(word);
      word = undefined;
    } else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
    } else if (character === quote) {
      quote = '';
    } else {
      word += character;
    }
  }
  if (quote !== '') throw new SyntaxError('a quote is not closed');
  if (word !== undefined) words.push(word);
  return words;
}
