import { resolve } from 'node:path';
import type { Json } from '@lsbackup/core';
import { z } from 'zod';
import type { SettingFlags, Settings } from './settings.js';

const invocationSchema = z.object({
  buildDir: z.string().nullable(),
  inventory: z.array(z.string()).nullable(),
  target: z.string().nullable(),
  config: z.string().nullable(),
});

/** Where a restore got inventory and archive from, for the process that finishes it: absolute, for that one may run elsewhere. */
export function toInvocation({ buildDir, inventory, target }: Settings, flags: SettingFlags): Json {
  return {
    buildDir: buildDir === undefined ? null : resolve(buildDir),
    inventory: inventory?.map((path) => resolve(path)) ?? null,
    target: target === undefined ? null : absoluteTarget(target),
    config: flags.config === undefined ? null : resolve(flags.config),
  };
}

/** The flags of an earlier run; those given now win. */
export function readInvocation(context: Json, flags: SettingFlags): SettingFlags {
  const parsed = invocationSchema.safeParse(context);
  if (!parsed.success) return flags;
  const { buildDir, inventory, target, config } = parsed.data;
  const hasInventory = flags['build-dir'] !== undefined || flags.inventory !== undefined;
  return {
    ...flags,
    ...(!hasInventory && buildDir !== null && { 'build-dir': buildDir }),
    ...(!hasInventory && inventory !== null && { inventory }),
    target: flags.target ?? target ?? undefined,
    config: flags.config ?? config ?? undefined,
  };
}

/** A directory by its path; what has a scheme is a place of its own. */
function absoluteTarget(target: string): string {
  return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(target) ? target : resolve(target);
}
