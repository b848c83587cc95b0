import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { controllerSchema, controllerState, thisController } from '../controller/controller.js';
import { BackupError } from '../model/errors.js';
import type { Logger } from '../model/logger.js';
import { parseJson } from '../model/parse-json.js';
import { systemErrorCode } from '../model/system-errors.js';
import { unusable } from './journal.js';

const claimSchema = z.object({ controller: controllerSchema.optional() });

/**
 * Makes this process the only one that works on a run, until `release`. A claim is a file with a number; whoever takes over from a process that is gone makes
 * the next number, so that of two that try at once one fails. Errors: RUN_ACTIVE.
 */
export async function claimRun(
  directory: string,
  { runId, log }: { readonly runId: string; readonly log: Logger },
): Promise<{ release(): Promise<void> }> {
  const last = Math.max(0, ...(await namesIn(directory)).map(claimNumber));
  if (last > 0) await requireGone(join(directory, claimName(last)), runId);
  const path = join(directory, claimName(last + 1));
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, JSON.stringify({ controller: await thisController() }), {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    });
    // Appears with its content, or not at all where another process was faster.
    await link(draft, path);
  } catch (cause) {
    if (systemErrorCode(cause) === 'EEXIST') throw active(runId, { cause });
    throw unusable(directory, cause);
  } finally {
    await rm(draft, { force: true });
  }
  return {
    release: async () => {
      try {
        await writeFile(draft, '{}', { mode: 0o600, flag: 'wx', flush: true });
        await rename(draft, path);
      } catch (error) {
        // It would hide how the restore ended; that this process is gone, the next one sees for itself.
        log.warn({ error: String(error), path }, 'the claim of the restore was not given back');
        await rm(draft, { force: true });
      }
    },
  };
}

function claimName(number: number): string {
  return `claim-${String(number).padStart(6, '0')}`;
}

function claimNumber(name: string): number {
  return Number(/^claim-(\d+)$/.exec(name)?.[1] ?? 0);
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    throw unusable(directory, cause);
  }
}

async function requireGone(path: string, runId: string): Promise<void> {
  const { controller } = await readClaim(path, runId);
  if (controller === undefined) return;
  const state = await controllerState(controller, await thisController());
  if (state === 'gone') return;
  const { pid, hostname } = controller;
  throw active(runId, {
    who: `process ${String(pid)} on ${hostname}`,
    ...(state === 'unknown' && {
      hint: `Whether it still runs cannot be seen from here. If it does not, remove ${path}.`,
    }),
  });
}

async function readClaim(path: string, runId: string): Promise<z.infer<typeof claimSchema>> {
  try {
    return claimSchema.parse(parseJson(await readFile(path, 'utf8')));
  } catch (cause) {
    throw active(runId, {
      cause,
      hint: `${path} cannot be read. If no other process works on this restore, remove it.`,
    });
  }
}

function active(
  runId: string,
  {
    who = 'another process',
    hint = 'Wait until that process has ended, or end it.',
    cause,
  }: { readonly who?: string; readonly hint?: string; readonly cause?: unknown },
): BackupError {
  return new BackupError('RUN_ACTIVE', `restore ${runId} is still being worked on by ${who}`, { cause, hint });
}
