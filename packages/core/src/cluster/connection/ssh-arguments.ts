import { canonicalKeyword } from './ssh-options.js';
import type { OptionPlace, SshOption } from './ssh-options.js';
import { parseOptionLine, splitOptionWords } from './ssh-words.js';

/** Flags of OpenSSH's ssh that take a value. Source: its getopt string in ssh.c. */
const flagsWithValue = /[BbcDEeFIiJLlmOoPpQRSWw]/;
/** Flags that make no difference to a program that runs commands and reads what they print. */
const harmlessFlags = '12aCDEefGgkKLMNnOQqRSsTtVvXxYy';

/** For each flag the option it stands for; `-F` and `-W` stand for none and keep their name. */
const keywordByFlag: ReadonlyMap<string, string> = new Map([
  ['B', 'bindinterface'],
  ['b', 'bindaddress'],
  ['c', 'ciphers'],
  ['F', '-F'],
  ['I', 'pkcs11provider'],
  ['i', 'identityfile'],
  ['J', 'proxyjump'],
  ['l', 'user'],
  ['m', 'macs'],
  ['P', 'tag'],
  ['p', 'port'],
  ['W', '-W'],
  ['w', 'tunnel'],
]);
const valueByFlag: ReadonlyMap<string, readonly [keyword: string, value: string]> = new Map([
  ['4', ['addressfamily', 'inet']],
  ['6', ['addressfamily', 'inet6']],
  ['A', ['forwardagent', 'yes']],
]);

/** The options of a command line of ssh, and its words that are none: the host, then the words of the command. */
export interface SshArguments {
  readonly options: readonly SshOption[];
  readonly operands: readonly string[];
}

/** A flag of ssh(1), with its value where it takes one and there is one. */
export interface SshFlag {
  readonly letter: string;
  readonly value: string | undefined;
}

/**
 * Takes the words after `ssh` apart, as getopt does for main in OpenSSH's ssh.c: flags alone or together, with their values attached or in
 * the next word, also after the host; the words that are none; after the second of these, or after `--`, everything is such a word.
 */
export function splitFlags(words: readonly string[]): {
  readonly flags: readonly SshFlag[];
  readonly operands: readonly string[];
} {
  const flags: SshFlag[] = [];
  const operands: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '--') return { flags, operands: [...operands, ...words.slice(index + 1)] };
    if (!word.startsWith('-') || word === '-') {
      if (operands.length > 0) return { flags, operands: [...operands, ...words.slice(index)] };
      operands.push(word);
      continue;
    }
    const at = word.slice(1).search(flagsWithValue) + 1;
    for (const letter of word.slice(1, at === 0 ? undefined : at)) flags.push({ letter, value: undefined });
    if (at === 0) continue;
    if (at === word.length - 1) index += 1;
    const value = at === word.length - 1 ? words[index] : word.slice(at + 1);
    flags.push({ letter: word.charAt(at), value });
  }
  return { flags, operands };
}

/**
 * Reads the words after `ssh`: `-o Name=value`, `-oName value` and flags. Source: ssh(1) and main in OpenSSH's ssh.c. A value that ssh would
 * not take is told as a fault of the place.
 */
export function parseSshArguments(words: readonly string[], place: OptionPlace): SshArguments {
  const { flags, operands } = splitFlags(words);
  const options = flags.flatMap(({ letter, value }) => {
    if (!flagsWithValue.test(letter)) return loneFlag(letter, place);
    if (value === undefined) throw place.fault(`-${letter} has no value`);
    return flagWithValue(letter, value, place);
  });
  return { options, operands };
}

function loneFlag(letter: string, place: OptionPlace): SshOption[] {
  const [keyword, value] = valueByFlag.get(letter) ?? [];
  if (keyword !== undefined && value !== undefined) {
    return [{ keyword, words: [value], text: value, written: place.named(`-${letter}`), place, overrides: false }];
  }
  if (harmlessFlags.includes(letter)) return [];
  throw place.fault(`ssh has no option -${letter}`);
}

function flagWithValue(flag: string, value: string, place: OptionPlace): SshOption[] {
  if (flag === 'o') return keywordOptions(value, place);
  const keyword = keywordByFlag.get(flag);
  if (keyword === undefined) return [];
  const overrides = flag === 'c' || flag === 'm';
  return [{ keyword, words: [value], text: value, written: place.named(`-${flag}`), place, overrides }];
}

function keywordOptions(value: string, place: OptionPlace): SshOption[] {
  try {
    const line = parseOptionLine(value);
    return line === undefined ? [] : [optionOfLine(line, `-o ${line.name}`, place)];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw place.fault(`an option of ssh cannot be read: ${error.message}`);
  }
}

/** An option from its parts; `name` is how messages call it. Throws a SyntaxError on an open quote. */
export function optionOfLine(
  line: { readonly keyword: string; readonly text: string },
  name: string,
  place: OptionPlace,
): SshOption {
  const keyword = canonicalKeyword(line.keyword);
  const text = line.text.replace(/^[ \t\r\n=]+/, '');
  return { keyword, words: splitOptionWords(line.text), text, written: place.named(name), place, overrides: false };
}

/** An option as ssh would have it from `-o keyword="value"`, whatever the value is. */
export function plainOption(keyword: string, value: string, place: OptionPlace): SshOption {
  return { keyword, words: [value], text: value, written: keyword, place, overrides: false };
}
