import { BackupError } from '@lsbackup/core/store';
import { parse } from 'yaml';

/**
 * `--set component.option=value` flags as one table of options. A value that begins with a bracket, a brace or a quote is YAML, so
 * JSON works too: `haproxy.paths='["/srv/haproxy"]'`; `true`, `false` and numbers are themselves; everything else is text as it stands.
 * Errors: USAGE, which never shows a value: it may be a password.
 */
export function parseSetFlags(flags: readonly string[]): Record<string, Record<string, unknown>> {
  // Without a prototype: `__proto__` is a name like any other, and unknown like any other.
  const components = emptyTable<Record<string, unknown>>();
  for (const flag of flags) {
    const [, component, option, value] = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_]+)=(.*)$/s.exec(flag) ?? [];
    if (component === undefined || option === undefined || value === undefined) {
      throw new BackupError('USAGE', `--set ${flag.replace(/=.*$/s, '=...')} is not COMPONENT.OPTION=VALUE`, {
        hint: 'for example --set postgresql.port=5433; lsbackup components lists the options',
      });
    }
    const options = (components[component] ??= emptyTable());
    options[option] = parseValue(`${component}.${option}`, value);
  }
  return components;
}

function emptyTable<Value>(): Record<string, Value> {
  return Object.create(null) as Record<string, Value>;
}

const plainScalar = /^(?:true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?)$/;

function parseValue(option: string, value: string): unknown {
  if (!/^["'[{]/.test(value) && !plainScalar.test(value)) return value;
  try {
    return parse(value, { logLevel: 'error' });
  } catch {
    // Not as a cause: the parser's message quotes the value.
    throw new BackupError(
      'USAGE',
      `--set ${option}=...: the value begins like a list, a table or a quoted text and is none`,
      {
        hint: 'quote a text that has special characters: --set \'component.option="[a]"\'',
      },
    );
  }
}
