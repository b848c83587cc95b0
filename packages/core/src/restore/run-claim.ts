import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { controllerSchema, controllerState, thisController } from '../controller/controller.js';
import { BackupError } from '../model/errors.js';

const claimSchema = z.object({ controller: controllerSchema.optional() });

/**
 * Makes this process the only one that works on a run, until `release`. A claim is a file with a number; whoever takes over from a process that is gone makes
 * the next number, so that of two that try at once one fails. Errors: RUN_ACTIVE.
 */
export async function claimRun(directory: string, runId: string): Promise<{ release(): Promise<void> }> {
  const last = Math.max(0, ...(await readdir(directory)).map(claimNumber));
  if (last > 0) await requireGone(join(directory, claimName(last)), runId);
  const path = join(directory, claimName(last + 1));
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, JSON.stringify({ controller: await thisController() }), { mode: 0o600, flag: 'wx' });
  try {
    // Appears with its content, or not at all where another process was faster.
    await link(draft, path);
  } catch (cause) {
    throw active(runId, cause);
  } finally {
    await rm(draft, { force: true });
  }
  return {
    release: async () => {
      await writeFile(draft, '{}', { mode: 0o600, flag: 'wx' });
      await rename(draft, path);
    },
  };
}

function claimName(number: number): string {
  return `claim-${String(number).padStart(6, '0')}`;
}

function claimNumber(name: string): number {
  return Number(/^claim-(\d+)$/.exec(name)?.[1] ?? 0);
}

async function requireGone(path: string, runId: string): Promise<void> {
  const { controller } = claimSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  if (controller === undefined) return;
  if ((await controllerState(controller, await thisController())) !== 'gone') throw active(runId);
}

function active(runId: string, cause?: unknown): BackupError {
  return new BackupError('RUN_ACTIVE', `restore ${runId} is still being worked on by another process`, {
    cause,
    hint: 'Wait until that process has ended, or end it.',
  });
}
