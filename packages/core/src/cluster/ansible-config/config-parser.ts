import { isUtf8 } from 'node:buffer';

import { BackupError } from '../../model/errors.js';

/** A value as it is written, with the line of its key, from 1. */
export interface ConfigValue {
  readonly value: string;
  readonly file: string;
  readonly line: number;
}

/** Section to key, in lower case, to value. */
export type ConfigSections = ReadonlyMap<string, ReadonlyMap<string, ConfigValue>>;

interface OpenValue {
  readonly lines: string[];
  readonly line: number;
}

/**
 * Reads a configuration file of Ansible: INI as Python's `configparser` has it, with `#` and `;` at the beginning of a line and `;` after a
 * space as comments, values that go on in lines that are indented deeper, keys in any case, and without interpolation. What `[DEFAULT]`
 * sets holds in every section. Sources: Python 3.11, Lib/configparser.py; ansible-core 2.19, config/manager.py.
 * Throws CONFIG_INVALID with `file:line` where Ansible would not start; no value is quoted.
 */
export function parseConfig(bytes: Buffer, file: string): ConfigSections {
  if (bytes.toString('utf8', 0, 3) === '\uFEFF')
    throw new BackupError(
      'CONFIG_INVALID',
      `${file}:1: the file begins with a byte order mark, which Ansible does not take`,
    );
  if (!isUtf8(bytes)) throw new BackupError('CONFIG_INVALID', `${file} is not UTF-8 text`);
  const reader = new ConfigReader(file);
  for (const line of bytes.toString('utf8').split('\n')) reader.read(line);
  return reader.sections();
}

class ConfigReader {
  private readonly found = new Map<string, Map<string, OpenValue>>();
  private section: Map<string, OpenValue> | undefined;
  private value: OpenValue | undefined;
  private indentation = 0;
  private lineNumber = 0;

  constructor(private readonly file: string) {}

  read(line: string): void {
    this.lineNumber += 1;
    const isComment = /^\s*[#;]/.test(line);
    const text = line.replace(/(?:^|(?<=\s));.*$/s, '').trim();
    if (isComment || text === '') {
      if (line.trim() === '') this.value?.lines.push('');
      return;
    }
    const indentation = line.length - line.trimStart().length;
    if (this.value !== undefined && indentation > this.indentation) {
      this.value.lines.push(text);
      return;
    }
    this.indentation = indentation;
    const header = /^\[(.+)\]/s.exec(text)?.[1];
    if (header === undefined) this.readKey(text);
    else this.readHeader(header);
  }

  sections(): ConfigSections {
    const plain = (values: ReadonlyMap<string, OpenValue> | undefined): [string, ConfigValue][] =>
      [...(values ?? [])].map(([key, { lines, line }]) => [
        key,
        { value: lines.join('\n').trimEnd(), file: this.file, line },
      ]);
    const defaults = plain(this.found.get('DEFAULT'));
    return new Map([...this.found].map(([name, values]) => [name, new Map([...defaults, ...plain(values)])]));
  }

  private readHeader(name: string): void {
    if (this.found.has(name) && name !== 'DEFAULT') throw this.fault('a section comes twice');
    this.section = this.found.get(name) ?? new Map<string, OpenValue>();
    this.found.set(name, this.section);
    this.value = undefined;
  }

  private readKey(text: string): void {
    if (this.section === undefined) throw this.fault('there is no [section] before this line');
    const sign = text.search(/[=:]/);
    if (sign < 1) throw this.fault('expected "key = value"');
    const name = text.slice(0, sign).trimEnd().toLowerCase();
    if (this.section.has(name)) throw this.fault('a key comes twice in its section');
    this.value = { lines: [text.slice(sign + 1).trimStart()], line: this.lineNumber };
    this.section.set(name, this.value);
  }

  private fault(problem: string): BackupError {
    return new BackupError('CONFIG_INVALID', `${this.file}:${this.lineNumber}: ${problem}`, {
      hint: 'Correct the file: Ansible does not start with it either.',
    });
  }
}
