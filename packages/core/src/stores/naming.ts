import { BackupError } from '../model/errors.js';

const maximumNameBytes = 200;
const extension = /(\.tar\.gz|\.tar\.zst|\.tar|\.zip|\.[A-Za-z0-9]+)$/;

/**
 * The name to try after `attempt` others were taken: `a.tar.gz`, `a_1.tar.gz`, `a_2.tar.gz`.
 * Throws USAGE where the number makes it longer than a name may be: nobody would find what is published under it.
 */
export function numberedName(name: string, attempt: number): string {
  if (attempt === 0) return name;
  const ending = extension.exec(name)?.[0] ?? '';
  const numbered = `${name.slice(0, name.length - ending.length)}_${attempt}${ending}`;
  if (isObjectName(numbered)) return numbered;
  throw new BackupError('USAGE', `"${name}" is taken, and has no room for a number behind it`, {
    hint: `use a shorter name: at most ${maximumNameBytes} bytes together with the number`,
  });
}

/** True for a name that an object of a store can have: one path piece without a leading dot, which is where unfinished things live. */
export function isObjectName(name: string): boolean {
  return (
    name !== '' && !name.startsWith('.') && !/[/\\\0]/.test(name) && Buffer.byteLength(name, 'utf8') <= maximumNameBytes
  );
}

/** Throws USAGE unless `name` can be an object's name. */
export function requireObjectName(name: string): void {
  if (isObjectName(name)) return;
  throw new BackupError('USAGE', `"${name}" cannot be the name of an archive`, {
    hint: `use at most ${maximumNameBytes} bytes, without slashes and without a dot in front`,
  });
}
