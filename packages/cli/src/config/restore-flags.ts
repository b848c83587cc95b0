import { BackupError } from '@lsbackup/core/store';

/** `--map old=new` flags: archived host to target host. Errors: USAGE. */
export function parseMapFlags(flags: readonly string[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const flag of flags) {
    const [, old, now] = /^([^=]+)=([^=]+)$/.exec(flag) ?? [];
    if (old === undefined || now === undefined)
      throw new BackupError('USAGE', `--map ${flag} is not OLD=NEW`, { hint: 'for example --map db1=db9' });
    if (map.has(old)) throw new BackupError('USAGE', `--map names ${old} twice`);
    map.set(old, now);
  }
  return map;
}

/** `--select component.key=value` flags: values by component and key, in the order given. Errors: USAGE. */
export function parseSelectFlags(
  flags: readonly string[],
): Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> {
  const selected = new Map<string, Map<string, string[]>>();
  for (const flag of flags) {
    const [, component, key, value] = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)=(.+)$/s.exec(flag) ?? [];
    if (component === undefined || key === undefined || value === undefined)
      throw new BackupError('USAGE', `--select ${flag} is not COMPONENT.KEY=VALUE`, {
        hint: 'for example --select postgresql.database=app',
      });
    const keys = selected.get(component) ?? new Map<string, string[]>();
    keys.set(key, [...(keys.get(key) ?? []), value]);
    selected.set(component, keys);
  }
  return Object.fromEntries([...selected].map(([component, keys]) => [component, Object.fromEntries(keys)]));
}
