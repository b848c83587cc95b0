import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { controllerState, thisController, type Controller } from '../controller/controller.js';
import { localError, localReadError, systemCode } from './local-errors.js';
import { claimPattern, partialPattern, unlinkIfThere } from './local-upload.js';
import { parseOwner, type Owner } from './owner.js';
import type { Leftover } from './store.js';

/** An owner that cannot be asked (it ran on another machine) is taken for gone after a day without a byte: streams stall out within minutes. */
const silentOwnerMilliseconds = 24 * 60 * 60 * 1000;

interface Unfinished {
  readonly name: string;
  readonly bytes: number;
  readonly touched: number;
  /** Of the claim it belongs to; undefined when that is gone or unreadable. */
  readonly owner: Owner | undefined;
}

/** See `Store.sweep`. Only names this store makes are looked at; other dot-files in the directory are none of ours. */
export async function sweepDirectory(directory: string, olderThan: Date): Promise<readonly Leftover[]> {
  const leftovers: Leftover[] = [];
  try {
    const here = await thisController();
    for (const file of await unfinishedFiles(directory)) {
      if (file.touched >= olderThan.getTime()) continue;
      if (!(await isAbandoned(file, here))) continue;
      leftovers.push({ name: file.name, bytes: file.bytes, ...(await removed(directory, file.name)) });
    }
  } catch (error) {
    throw localReadError(error, directory);
  }
  return leftovers;
}

/** Another user's file in a directory like /tmp cannot be removed. */
async function removed(directory: string, name: string): Promise<Pick<Leftover, 'error'>> {
  try {
    await unlinkIfThere(join(directory, name));
    return {};
  } catch (error) {
    return { error: localError(error, directory) };
  }
}

async function isAbandoned(file: Unfinished, here: Controller): Promise<boolean> {
  const state = file.owner === undefined ? 'unknown' : await controllerState(file.owner, here);
  if (state !== 'unknown') return state === 'gone';
  return Date.now() - file.touched > silentOwnerMilliseconds;
}

/** Partial files before claims, so that a sweep cut short never leaves bytes without their owner's record. */
async function unfinishedFiles(directory: string): Promise<readonly Unfinished[]> {
  const names = (await readdir(directory)).filter((name) => claimPattern.test(name) || partialPattern.test(name));
  const claims = new Map<string, Owner | undefined>();
  for (const name of names) {
    const claimed = claimPattern.exec(name)?.[1];
    if (claimed !== undefined) claims.set(claimed, await readOwner(directory, name));
  }
  const files: Unfinished[] = [];
  for (const name of names) {
    const facts = await stat(join(directory, name)).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error;
      return undefined;
    });
    if (facts === undefined) continue;
    files.push({ name, bytes: facts.size, touched: facts.mtimeMs, owner: await ownerOf(directory, name, claims) });
  }
  return files.sort((left, right) => Number(claimPattern.test(left.name)) - Number(claimPattern.test(right.name)));
}

async function ownerOf(
  directory: string,
  name: string,
  claims: ReadonlyMap<string, Owner | undefined>,
): Promise<Owner | undefined> {
  const claimed = claimPattern.exec(name)?.[1];
  if (claimed !== undefined) return claims.get(claimed);
  const [, object = '', token, kind] = partialPattern.exec(name) ?? [];
  if (kind === 'new') return readOwner(directory, name);
  const owner = claims.get(object);
  return owner?.token === token ? owner : undefined;
}

async function readOwner(directory: string, name: string): Promise<Owner | undefined> {
  return parseOwner(await readFile(join(directory, name), 'utf8').catch(() => ''));
}
