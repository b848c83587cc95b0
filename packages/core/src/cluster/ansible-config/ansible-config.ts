import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { systemErrorCode, systemReason } from '../../model/system-errors.js';
import { parseConfig } from './config-parser.js';
import type { ConfigSections, ConfigValue } from './config-parser.js';
import { configuredConnections, configValue, nothingConfigured, unfollowedKeys } from './config-settings.js';
import type { ConfiguredConnections } from './config-settings.js';

/** What a configuration file of Ansible says about which hosts are reached and how. */
export interface AnsibleConfig {
  /** `inventory`: absolute paths, in order; undefined where it is not set. */
  readonly inventory: readonly string[] | undefined;
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

/**
 * Reads the configuration that Ansible takes when it is started in the build directory: its `ansible.cfg`, unless anybody may write to
 * the directory; with `given` (Ansible's ANSIBLE_CONFIG) that file, or `ansible.cfg` in that directory. A file that is not there says
 * nothing. Source: find_ini_config_file in ansible-core 2.19, config/manager.py; those of the home directory and of /etc/ansible are
 * not read. Throws CONFIG_INVALID with `file:line` for what Ansible would not start with.
 */
export async function readAnsibleConfig(directory: string, given?: string): Promise<AnsibleConfig> {
  const file = given === undefined ? join(directory, 'ansible.cfg') : await fileOf(resolve(given));
  const bytes = await bytesOf(file);
  if (bytes === undefined) return nothing;
  if (typeof bytes === 'string')
    return { ...nothing, warnings: [`cannot read ${file}, so that it is not followed: ${bytes}`] };
  if (given === undefined && ((await stat(directory)).mode & 0o002) !== 0)
    return { ...nothing, warnings: [`${file} is not read, as Ansible does not: anybody may write to its directory`] };
  return configOf(parseConfig(bytes, file), file);
}

function configOf(sections: ConfigSections, file: string): AnsibleConfig {
  const keys = unfollowedKeys(sections);
  const inventory = configValue(sections, ['defaults', 'inventory']);
  const passwordFile = configValue(sections, ['defaults', 'vault_password_file'])?.value;
  const vaultIds = listOf(configValue(sections, ['defaults', 'vault_identity_list'])?.value ?? '');
  return {
    inventory: inventory && inventoryOf(inventory),
    connections: withAbsoluteKey(withNumbers(configuredConnections(sections)), file),
    vaultPasswordFile: passwordFile ? absolute(passwordFile, file) : undefined,
    vaultIds: vaultIds.map((id) => absoluteId(id, file)),
    warnings: keys.length === 0 ? [] : [`${file} sets what lsbackup does not follow: ${nameList(keys)}`],
  };
}

function inventoryOf({ value, file, line }: ConfigValue): readonly string[] | undefined {
  const paths = listOf(value);
  if (paths.length === 0) return undefined;
  if (paths.some((path) => /^~|\$/.test(path)))
    throw new BackupError('CONFIG_INVALID', `${file}:${line}: "~" and "$" in inventory are not expanded`, {
      hint: 'Choose the inventory with -i, or write its path out.',
    });
  return paths.map((path) => absolute(path, file));
}

/** Ansible does not start with a number that is none. */
function withNumbers(connections: ConfiguredConnections): ConfiguredConnections {
  for (const setting of ['port', 'timeout']) {
    const number = connections.ssh.get(setting);
    if (number !== undefined && !/^\d+$/.test(number.value))
      throw new BackupError('CONFIG_INVALID', `${number.file}:${number.line}: this is no whole number`);
  }
  return connections;
}

/** Ansible takes a path from the directory of the file that names it. */
function withAbsoluteKey({ ssh, paramiko }: ConfiguredConnections, file: string): ConfiguredConnections {
  const key = ssh.get('privateKeyFile');
  if (!key?.value) return { ssh, paramiko };
  const entry = ['privateKeyFile', { ...key, value: absolute(key.value, file) }] as const;
  return { ssh: new Map([...ssh, entry]), paramiko: new Map([...paramiko, entry]) };
}

/** What begins with `~` is for whoever knows the home directory. */
function absolute(path: string, file: string): string {
  return isAbsolute(path) || path.startsWith('~') ? path : join(dirname(file), path);
}

function absoluteId(id: string, file: string): string {
  const at = id.indexOf('@') + 1;
  const source = id.slice(at);
  return source === 'prompt' || source === '' ? id : id.slice(0, at) + absolute(source, file);
}

function listOf(value: string): string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
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
