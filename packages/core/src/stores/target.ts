import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BackupError } from '../model/errors.js';
import type { Store, StoreDriver } from './store.js';

/**
 * Opens the store a target names: a plain path, `file:///path`, or a URL whose scheme one of `drivers` has.
 * Errors: TARGET_UNSUPPORTED (no driver for the scheme), TARGET_MISSING and whatever else the driver finds.
 */
export async function openStore(
  target: string | URL,
  drivers: readonly StoreDriver[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Store> {
  const url = targetUrl(target, drivers);
  const scheme = url.protocol.slice(0, -1);
  const driver = drivers.find((each) => each.scheme === scheme);
  if (driver === undefined) {
    const known = drivers.map((each) => (each.scheme === 'file' ? 'a path' : `${each.scheme}:`));
    throw new BackupError('TARGET_UNSUPPORTED', `no store for targets that begin with "${scheme}:"`, {
      hint: `this program knows: ${known.join(', ')}`,
    });
  }
  return driver.open(url, options);
}

/** `scheme://` is a URL, and `scheme:` where a driver has that scheme; anything else is a path, also one with a colon in it. */
function targetUrl(target: string | URL, drivers: readonly StoreDriver[]): URL {
  if (target instanceof URL) return target;
  if (target === '') throw new BackupError('USAGE', 'the target is empty', { hint: 'give an existing directory' });
  const scheme = /^([a-z][a-z0-9+.-]*):(\/\/)?/i.exec(target);
  const isUrl = scheme !== null && (scheme[2] !== undefined || drivers.some((each) => each.scheme === scheme[1]));
  if (!isUrl) return pathToFileURL(resolve(target));
  // `new URL` would take `file:t` for `/t`.
  if (/^file:(?!\/)/i.test(target)) {
    throw new BackupError('TARGET_UNSUPPORTED', `target "${target}" has no slash after "file:"`, {
      hint: 'write file:///absolute/path, with three slashes, or the plain path',
    });
  }
  try {
    return new URL(target);
  } catch (cause) {
    throw new BackupError('TARGET_UNSUPPORTED', `target "${target}" is not a URL`, { cause });
  }
}
