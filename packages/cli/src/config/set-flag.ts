import { BackupError } from '@lsbackup/core/store';
import { parse } from 'yaml';

/**
 * `--set component.option=value` flags as one table of options. A value is a YAML scalar or flow collection, so JSON works too:
 * `haproxy.paths='["/srv/haproxy"]'`. Nothing after `=` is an empty text. Errors: USAGE.
 */
export function parseSetFlags(flags: readonly string[]): Record<string, Record<string, unknown>> {
  // Without a prototype: `__proto__` is a name like any other, and unknown like any other.
  const components = emptyTable<Record<string, unknown>>();
  for (const flag of flags) {
    const [, component, option, value] = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_]+)=(.*)$/s.exec(flag) ?? [];
    if (component === undefined || option === undefined || value === undefined) {
      throw new BackupError('USAGE', `--set ${flag} is not COMPONENT.OPTION=VALUE`, {
        hint: 'for example --set haproxy.stats=false; lsbackup components lists the options',
      });
    }
    const options = (components[component] ??= emptyTable());
    options[option] = parseValue(flag, value);
  }
  return components;
}

function emptyTable<Value>(): Record<string, Value> {
  return Object.create(null) as Record<string, Value>;
}

function parseValue(flag: string, value: string): unknown {
  if (value === '') return '';
  try {
    return parse(value);
  } catch (cause) {
    throw new BackupError('USAGE', `--set ${flag}: the value is not YAML`, {
      hint: 'quote a text that has special characters: --set \'component.option="a: b"\'',
      cause,
    });
  }
}
