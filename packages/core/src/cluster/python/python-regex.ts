import { whitespaceClass, wordClass } from './python-text.js';

const word = `[${wordClass}]`;
// As look-ahead, which cannot be repeated: neither can they be in Python.
const boundary = `(?=(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
const inside = `(?=(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;

/** What a letter behind a backslash stands for, outside of a set; the rest is refused. */
const escapes: ReadonlyMap<string, string> = new Map([
  ['d', '\\p{Nd}'],
  ['D', '\\P{Nd}'],
  ['w', word],
  ['W', `[^${wordClass}]`],
  ['s', `[${whitespaceClass}]`],
  ['S', `[^${whitespaceClass}]`],
  ['A', '^'],
  ['Z', '(?![^])'],
  ['b', boundary],
  ['B', inside],
]);

/** The same inside of a set. */
const setEscapes: ReadonlyMap<string, string> = new Map([
  ['d', '\\p{Nd}'],
  ['D', '\\P{Nd}'],
  ['w', wordClass],
  ['s', whitespaceClass],
]);

/**
 * A regular expression of Python that is matched from the start of a text, as JavaScript's. What both languages have and mean alike
 * is translated: literals, sets, groups, `|`, quantifiers, anchors, look-ahead, `\d \w \s \b` and their opposites, and `(?i)` in front.
 * Throws a SyntaxError that says what is wrong, or what has no translation: references to groups, look-behind, conditions, named and
 * atomic groups, possessive quantifiers, escapes by number. Source: Python documentation, "Regular Expression Syntax".
 */
export function pythonRegex(source: string): RegExp {
  const ignoreCase = source.startsWith('(?i)');
  const translated = translate(Array.from(ignoreCase ? source.slice('(?i)'.length) : source));
  const flags = ignoreCase ? 'iu' : 'u';
  try {
    // By itself first: what closes the group around it must not pass.
    RegExp(translated, flags);
    return new RegExp(`^(?:${translated})`, flags);
  } catch (cause) {
    throw new SyntaxError('it is not well formed, or JavaScript has nothing like it', { cause });
  }
}

function translate(characters: readonly string[]): string {
  let output = '';
  for (let index = 0; index < characters.length;) {
    const { text, length } = translateOne(characters, index);
    output += text;
    index += length;
  }
  return output;
}

interface Translated {
  readonly text: string;
  /** Characters of the source that it stands for. */
  readonly length: number;
}

function translateOne(characters: readonly string[], index: number): Translated {
  const character = characters[index] ?? '';
  if (character === '\\') return { text: translateEscape(characters[index + 1]), length: 2 };
  if (character === '[') return translateSet(characters, index);
  if (character === '(') return translateGroup(characters, index);
  if (character === '{') return translateCount(characters.slice(index).join(''));
  if (character === '.') return { text: '[^\\n]', length: 1 };
  if (character === '$') return { text: '(?=\\n?(?![^]))', length: 1 };
  return { text: '^)|*+?'.includes(character) ? character : literal(character), length: 1 };
}

function translateGroup(characters: readonly string[], index: number): Translated {
  if (characters[index + 1] !== '?') return { text: '(?:', length: 1 };
  const kind = characters[index + 2] ?? '';
  if (![':', '=', '!'].includes(kind)) throw new SyntaxError(`groups of the kind (?${kind} are not supported`);
  return { text: `(?${kind}`, length: 3 };
}

/** A brace that begins no count is a brace. */
function translateCount(rest: string): Translated {
  const [whole, least = '', comma = '', most = ''] = /^\{([0-9]*)(,?)([0-9]*)\}/.exec(rest) ?? [];
  if (whole === undefined || whole === '{}') return { text: '\\{', length: 1 };
  return { text: `{${least === '' ? '0' : least}${comma}${most}}`, length: whole.length };
}

function translateEscape(character: string | undefined): string {
  if (character === undefined) throw new SyntaxError('it ends in a backslash');
  return escapes.get(character) ?? escapedLiteral(character);
}

function escapedLiteral(character: string): string {
  if (/[A-Za-z0-9]/.test(character)) throw new SyntaxError(`\\${character} is not supported`);
  return literal(character);
}

/** A bracket right behind the opening, or behind its `^`, is a member. */
function translateSet(characters: readonly string[], open: number): Translated {
  const negated = characters[open + 1] === '^';
  const first = open + (negated ? 2 : 1);
  let text = negated ? '[^' : '[';
  for (let index = first; index < characters.length;) {
    if (characters[index] === ']' && index > first) return { text: `${text}]`, length: index + 1 - open };
    const member = translateMember(characters, index, index > first);
    text += member.text;
    index += member.length;
  }
  throw new SyntaxError('a [ is not closed');
}

/** A hyphen at either end of a set is a member. */
function translateMember(characters: readonly string[], index: number, mayBeRange: boolean): Translated {
  const character = characters[index] ?? '';
  const next = characters[index + 1];
  if (character === '-' && mayBeRange && next !== ']') {
    if (next === '\\' && setEscapes.has(characters[index + 2] ?? '')) throw new SyntaxError('a range ends in a class');
    return { text: '-', length: 1 };
  }
  if (character !== '\\') return { text: setLiteral(character), length: 1 };
  const kind = setEscapes.get(next ?? '');
  if (kind === undefined) return { text: translateSetEscape(next), length: 2 };
  if (characters[index + 2] === '-' && characters[index + 3] !== ']')
    throw new SyntaxError('a range begins in a class');
  return { text: kind, length: 2 };
}

function translateSetEscape(character: string | undefined): string {
  if (character === undefined) throw new SyntaxError('it ends in a backslash');
  if (/[A-Za-z0-9]/.test(character)) throw new SyntaxError(`\\${character} in a set is not supported`);
  return setLiteral(character);
}

function setLiteral(character: string): string {
  return character === '-' ? '\\-' : literal(character);
}

function literal(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}
