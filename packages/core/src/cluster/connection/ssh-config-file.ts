import { BackupError } from '../../model/errors.js';
import { parseMatch } from './ssh-match.js';
import type { Criterion } from './ssh-match.js';
import type { OptionPlace, SshOption } from './ssh-options.js';
import { optionOfLine } from './ssh-arguments.js';
import { compilePattern } from './ssh-patterns.js';
import type { Pattern } from './ssh-patterns.js';
import { parseOptionLine, splitOptionWords } from './ssh-words.js';

/** What a `Host` or `Match` line asks. */
export type Condition =
  | { readonly kind: 'host'; readonly patterns: readonly Pattern[] }
  | { readonly kind: 'match'; readonly criteria: readonly Criterion[]; readonly place: OptionPlace };

/** An option, or an `Include` with the files that it names. */
export type ConfigEntry =
  | { readonly kind: 'option'; readonly option: SshOption }
  | { readonly kind: 'include'; readonly files: readonly ConfigFile[] };

/** The lines up to the next condition. */
export interface ConfigBlock {
  /** Undefined for what stands in front of the first one. */
  readonly condition: Condition | undefined;
  readonly entries: readonly ConfigEntry[];
}

export interface ConfigFile {
  /** Whether it counts as the user's own: for identity files that are named twice. */
  readonly ofUser: boolean;
  readonly blocks: readonly ConfigBlock[];
}

/** A line of a configuration file of ssh. */
export class ConfigPlace implements OptionPlace {
  constructor(
    private readonly file: string,
    private readonly line: number,
  ) {}

  named(option: string): string {
    return `${option} (${this.file}:${this.line})`;
  }

  fault(message: string): BackupError {
    return new BackupError('CONFIG_INVALID', `${this.file}:${this.line}: ${message}`);
  }

  refusal(message: string, hint: string): BackupError {
    return new BackupError('CONFIG_INVALID', `${this.file}:${this.line}: ${message}`, { hint });
  }
}

/** Reads the files that an `Include` names. */
export type ReadIncluded = (patterns: readonly string[], place: OptionPlace) => Promise<readonly ConfigFile[]>;

/**
 * The blocks of a configuration file of ssh. Source: ssh_config(5) and readconf.c of OpenSSH. Throws CONFIG_INVALID with `file:line` for
 * what ssh would not read either, except keywords that are not known here: they are told as ignored where they count.
 */
export async function parseConfigFile(
  content: string,
  file: { readonly path: string; readonly ofUser: boolean },
  readIncluded: ReadIncluded,
): Promise<ConfigFile> {
  const blocks: { condition: Condition | undefined; entries: ConfigEntry[] }[] = [
    { condition: undefined, entries: [] },
  ];
  for (const [index, text] of content.split('\n').entries()) {
    const line = await parseLine(text, new ConfigPlace(file.path, index + 1), readIncluded);
    if (line?.kind === 'option' || line?.kind === 'include') blocks.at(-1)?.entries.push(line);
    else if (line !== undefined) blocks.push({ condition: line, entries: [] });
  }
  return { ofUser: file.ofUser, blocks };
}

async function parseLine(
  text: string,
  place: OptionPlace,
  readIncluded: ReadIncluded,
): Promise<Condition | ConfigEntry | undefined> {
  try {
    const line = parseOptionLine(text);
    if (line === undefined) return undefined;
    if (line.keyword === 'match') return { kind: 'match', criteria: parseMatch(line.text, place), place };
    if (line.keyword === 'host') return { kind: 'host', patterns: filledWords(line.text, place).map(compilePattern) };
    if (line.keyword === 'include') {
      return { kind: 'include', files: await readIncluded(filledWords(line.text, place), place) };
    }
    return { kind: 'option', option: optionOfLine(line, line.name, place) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw place.fault(error.message);
  }
}

function filledWords(text: string, place: OptionPlace): string[] {
  const words = splitOptionWords(text);
  if (words.includes('')) throw place.fault('an argument is empty');
  return words;
}
