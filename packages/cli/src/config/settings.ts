import type { BackupDocument, InventoryChoice, Limits, OptionLayer } from '@lsbackup/core';
import { BackupError } from '@lsbackup/core/store';
import { readConfig, type Config } from './config-file.js';
import { parseSetFlags } from './set-flag.js';

/** The flags of a command that can come from a configuration file as well. Those a command does not have are absent. */
export interface SettingFlags {
  readonly 'build-dir'?: string | undefined;
  readonly inventory?: string[] | undefined;
  readonly target?: string | undefined;
  readonly config?: string | undefined;
  readonly file?: string | undefined;
  readonly name?: string | undefined;
  readonly limit?: string[] | undefined;
  readonly only?: string[] | undefined;
  readonly skip?: string[] | undefined;
  readonly set?: string[] | undefined;
}

/** Flags over configuration file over LambdaStack's document. */
export interface Settings {
  readonly buildDir: string | undefined;
  readonly inventory: readonly string[] | undefined;
  readonly target: string | undefined;
  readonly name: string | undefined;
  readonly selection: {
    readonly only?: readonly string[];
    readonly skip?: readonly string[];
    readonly limit?: readonly string[];
    readonly document?: BackupDocument;
  };
  /** Weakest first. */
  readonly layers: readonly OptionLayer[];
  readonly limits: Limits;
}

/** Errors: CONFIG_INVALID, USAGE. */
export async function readSettings(flags: SettingFlags): Promise<Settings> {
  if (flags.name?.trim() === '')
    throw new BackupError('USAGE', '--name is empty', {
      hint: 'give --name NAME, or leave it out for the name in manifest.yml',
    });
  const config: Config = flags.config === undefined ? {} : await readConfig(flags.config);
  const document = flags.file === undefined ? undefined : await readDocument(flags.file);
  const only = flags.only ?? config.only;
  const skip = flags.skip ?? config.skip;
  const limit = flags.limit ?? config.limit;
  return {
    ...inventoryOf(flags, config),
    target: flags.target ?? config.target,
    name: flags.name ?? config.name,
    selection: { ...(only && { only }), ...(skip && { skip }), ...(limit && { limit }), ...(document && { document }) },
    layers: [
      ...(flags.config === undefined ? [] : [configLayer(flags.config, config)]),
      ...(flags.set === undefined ? [] : [{ source: '--set', components: parseSetFlags(flags.set) }]),
    ],
    limits: limitsOf(config),
  };
}

/** A build directory of the command line is not read with an inventory of the configuration file, nor the other way round: that is another's. */
function inventoryOf(flags: SettingFlags, config: Config): Pick<Settings, 'buildDir' | 'inventory'> {
  const buildDir = flags['build-dir'];
  return {
    buildDir: buildDir ?? (flags.inventory === undefined ? config.build_dir : undefined),
    inventory: flags.inventory ?? (buildDir === undefined ? config.inventory : undefined),
  };
}

/** The library is loaded only where it is needed: not every command has a document. */
async function readDocument(file: string): Promise<BackupDocument> {
  const { readBackupDocument } = await import('@lsbackup/core');
  return readBackupDocument(file);
}

function configLayer(source: string, config: Config): OptionLayer {
  return {
    source,
    ...(config.components && { components: config.components }),
    ...(config.hosts && { hosts: config.hosts }),
  };
}

function limitsOf({ limits }: Config): Limits {
  if (limits === undefined) return {};
  return {
    ...(limits.memory_mib !== undefined && { memory: limits.memory_mib * 1024 * 1024 }),
    ...(limits.streams_per_host !== undefined && { streamsPerHost: limits.streams_per_host }),
    ...(limits.dials !== undefined && { dials: limits.dials }),
    ...(limits.level !== undefined && { level: limits.level }),
    ...(limits.clean_up_seconds !== undefined && { cleanUp: limits.clean_up_seconds }),
  };
}

/** Errors: USAGE when neither flag nor configuration gives one, or one is empty. */
export function requireInventory({ buildDir, inventory = [] }: Settings): InventoryChoice {
  if (inventory.includes('')) throw new BackupError('USAGE', '--inventory is empty', { hint: 'give -i PATH' });
  if (inventory.length > 0) return { inventory, ...(buildDir && { source: buildDir }) };
  if (buildDir) return { source: buildDir };
  throw new BackupError('USAGE', 'no build directory given', {
    hint: 'give -b DIR (a build directory or an inventory file) or -i PATH (an inventory), or build_dir in the configuration file',
  });
}

/** Errors: USAGE when neither flag nor configuration gives it. */
export function requireTarget(settings: Settings): string {
  if (settings.target !== undefined) return settings.target;
  throw new BackupError('USAGE', 'no target given', { hint: 'give -t TARGET, or target in the configuration file' });
}
