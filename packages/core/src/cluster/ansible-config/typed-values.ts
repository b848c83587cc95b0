import { dirname, isAbsolute, join } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { parseWholeNumber } from '../python/python-number.js';
import type { ConfigSections, ConfigValue } from './config-parser.js';
import { isTemplate } from './config-settings.js';

/** Of the environment. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** A value with what it is called and the environment it may speak of. */
interface NamedValue extends ConfigValue {
  /** `[section] key` */
  readonly name: string;
  readonly variables: Variables;
}
type Typed = (value: NamedValue) => string;

/** What is of another type than text. Source: `ansible-config list` and the options of the plugins in ansible-core 2.19. */
const types: Readonly<Record<string, Typed>> = {
  'defaults remote_port': wholeNumber,
  'defaults timeout': wholeNumber,
  'defaults host_key_checking': truth,
  'ssh_connection host_key_checking': truth,
  'paramiko_connection host_key_checking': truth,
  'defaults private_key_file': (value) => (value.value === '' ? '' : absolutePath(value)),
  'defaults vault_password_file': (value) => (value.value === '' ? '' : absolutePath(value)),
};

/**
 * The sections with numbers as digits and paths from the directory of the file, with variables of the environment in them replaced; what
 * begins with `~` is for whoever knows the home directory. Ansible takes quotes around these for a part of the value. Source: `ansible-config dump` of
 * ansible-core 2.19, which takes an unset variable in a path as it is written, and a truth value that is none for false: here both are
 * refused. Throws CONFIG_INVALID with `file:line` and the key.
 */
export function withTypedValues(sections: ConfigSections, variables: Variables): ConfigSections {
  return new Map(
    [...sections].map(([section, values]) => {
      const typed = [...values].map(([key, value]): [string, ConfigValue] => {
        const type = types[`${section} ${key}`];
        if (type === undefined || isTemplate(value)) return [key, value];
        return [key, { ...value, value: type({ ...value, name: `[${section}] ${key}`, variables }) }];
      });
      return [section, new Map(typed)];
    }),
  );
}

/** The paths in `vault_identity_list`, each with its label, absolute in the same way. Errors: CONFIG_INVALID. */
export function typedVaultIds(list: ConfigValue, variables: Variables): readonly string[] {
  const ids = list.value.split(',').map((part) => part.trim());
  return ids
    .filter((id) => id !== '')
    .map((id) => {
      const at = id.indexOf('@') + 1;
      const value = id.slice(at);
      if (value === 'prompt' || value === '') return id;
      return id.slice(0, at) + absolutePath({ ...list, value, name: '[defaults] vault_identity_list', variables });
    });
}

function wholeNumber(value: NamedValue): string {
  const number = parseWholeNumber(value.value);
  if (number === undefined || number < 0n) throw invalid(value, 'is no whole number', 'Write digits, without quotes.');
  return String(number);
}

function truth(value: NamedValue): string {
  if (/^(?:y|yes|on|1|true|t|n|no|off|0|false|f)$/i.test(value.value)) return value.value;
  throw invalid(value, 'is neither true nor false', 'Write True or False, without quotes.');
}

function absolutePath(value: NamedValue): string {
  const path = value.value.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (_, plain?: string, braced?: string) => {
    const found = value.variables[plain ?? braced ?? ''];
    if (found !== undefined) return found;
    throw invalid(
      value,
      'has a variable of the environment that is not set',
      'Set it where lsbackup runs, or write the path out.',
    );
  });
  return isAbsolute(path) || path.startsWith('~') ? path : join(dirname(value.file), path);
}

function invalid({ file, line, name }: NamedValue, problem: string, hint: string): BackupError {
  return new BackupError('CONFIG_INVALID', `${file}:${line}: ${name} ${problem}`, { hint });
}
