import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { systemErrorCode, systemReason } from '../../model/system-errors.js';
import { parseConfig } from './config-parser.js';
import type { ConfigValue } from './config-parser.js';
import { configuredConnections, configValue, nothingConfigured } from './config-settings.js';
import type { ConfiguredConnections } from './config-settings.js';
import { writtenInventory } from './configured-inventory.js';
import { typedVaultIds, withTypedValues } from './typed-values.js';
import type { Variables } from './typed-values.js';
import { unfollowedKeys, unfollowedVariables } from './unfollowed-settings.js';

/** What a configuration file of Ansible says about which hosts are reached and how. */
export interface AnsibleConfig {
  /** `inventory`, for `inventoryPaths`; undefined where it is not set. */
  readonly inventory: ConfigValue | undefined;
  readonly connections: ConfiguredConnections;
  /** `vault_password_file`: absolute, or with `~`. */
  readonly vaultPasswordFile: string | undefined;
  /** `vault_identity_list`: each `LABEL@FILE`, `FILE`, or with `prompt` as the file. */
  readonly vaultIds: readonly string[];
  /** What is not followed, one sentence each. */
  readonly warnings: readonly string[];
}

const nothing: AnsibleConfig = {
  inventory: undefined,
  connections: nothingConfigured,
  vaultPasswordFile: undefined,
  vaultIds: [],
  warnings: [],
};
/** Larger files are no configuration. */
const maximumBytes = 1024 * 1024;

/** Which files there may be besides that in the build directory. */
export interface ConfigChoice {
  /** Ansible's configuration file, or its directory (ANSIBLE_CONFIG): before that in the build directory. */
  readonly ansibleConfig?: string | undefined;
  /**
   * Those of the user and the system, which Ansible takes where there is no other: the first that is there, without the inventory that it
   * names, since that is not the build directory's. None unless set.
   */
  readonly ansibleDefaults?: readonly string[] | undefined;
  /** Variables of the environment, for `$NAME` in paths: those that are stronger than a file for Ansible, and are not followed, are named in a warning. */
  readonly ansibleVariables?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Reads the one configuration file that Ansible takes when it is started in the build directory; `ansible.cfg` there is passed over, with
 * a warning, where anybody may write to the directory. Without any file nothing is set. Source: find_ini_config_file in ansible-core
 * 2.19, config/manager.py. Throws CONFIG_INVALID with `file:line` for what Ansible would not start with.
 */
export async function readAnsibleConfig(directory: string, choice: ConfigChoice = {}): Promise<AnsibleConfig> {
  const config = await configFrom(directory, choice);
  const names = unfollowedVariables(choice.ansibleVariables ?? {});
  if (names.length === 0) return config;
  const sentence = `environment variables that Ansible follows and lsbackup does not are set: ${nameList(names)}; put what they say into ansible.cfg or the inventory`;
  return { ...config, warnings: [...config.warnings, sentence] };
}

async function configFrom(
  directory: string,
  { ansibleConfig, ansibleDefaults = [], ansibleVariables: variables = {} }: ConfigChoice,
): Promise<AnsibleConfig> {
  const given =
    ansibleConfig === undefined ? undefined : await configFile(await fileOf(resolve(ansibleConfig)), variables);
  if (given?.config) return given.config;
  const own = await configFile(join(directory, 'ansible.cfg'), variables, () => isOpenToAll(directory));
  if (own.config) return own.config;
  const unread = [given?.unread, own.unread];
  for (const file of ansibleDefaults) {
    const { config, unread: why } = await configFile(file, variables);
    unread.push(why);
    if (config) return { ...config, inventory: undefined, warnings: [...told(unread), ...config.warnings] };
  }
  return { ...nothing, warnings: told(unread) };
}

function told(sentences: readonly (string | undefined)[]): readonly string[] {
  return sentences.filter((sentence) => sentence !== undefined);
}

/** What a file says, or why one that is there is not read. */
async function configFile(
  file: string,
  variables: Variables,
  isRefused: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<{ readonly config?: AnsibleConfig; readonly unread?: string }> {
  const bytes = await bytesOf(file);
  if (bytes === undefined) return {};
  if (await isRefused())
    return { unread: `${file} is not read, as Ansible does not: anybody may write to its directory` };
  if (typeof bytes === 'string') return { unread: `cannot read ${file}, so that it is not followed: ${bytes}` };
  return { config: configOf(bytes, file, variables) };
}

async function isOpenToAll(directory: string): Promise<boolean> {
  return ((await stat(directory)).mode & 0o002) !== 0;
}

function configOf(bytes: Buffer, file: string, variables: Variables): AnsibleConfig {
  const sections = parseConfig(bytes, file);
  const keys = unfollowedKeys(sections);
  const typed = withTypedValues(sections, variables);
  const passwordFile = configValue(typed, ['defaults', 'vault_password_file'])?.value;
  const vaultIds = configValue(sections, ['defaults', 'vault_identity_list']);
  return {
    inventory: writtenInventory(sections),
    connections: configuredConnections(typed),
    vaultPasswordFile: passwordFile === '' ? undefined : passwordFile,
    vaultIds: vaultIds === undefined ? [] : typedVaultIds(vaultIds, variables),
    warnings: keys.length === 0 ? [] : [`${file} sets what lsbackup does not follow: ${nameList(keys)}`],
  };
}

async function fileOf(given: string): Promise<string> {
  const isDirectory = await stat(given).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  return isDirectory ? join(given, 'ansible.cfg') : given;
}

/** Undefined when it is not there; the reason when it cannot be read, which Ansible takes as if it were not there. */
async function bytesOf(file: string): Promise<Buffer | string | undefined> {
  try {
    const stats = await stat(file);
    if (!stats.isFile()) return undefined;
    if (stats.size > maximumBytes) throw new BackupError('CONFIG_INVALID', `${file} is larger than 1 MiB`);
    return await readFile(file);
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    if (cause instanceof BackupError) throw cause;
    return systemReason(cause);
  }
}
