import type { ConfigSections, ConfigValue } from './config-parser.js';

/** Of a setting the section and key; where there are several, a later one counts more. */
type Places = readonly (readonly [section: string, key: string])[];

const common = {
  connection: [['defaults', 'transport']],
  user: [['defaults', 'remote_user']],
  port: [['defaults', 'remote_port']],
  privateKeyFile: [['defaults', 'private_key_file']],
  // [ssh_connection] has a timeout too, which never counts: the default of Ansible's flag --timeout is stronger.
  timeout: [['defaults', 'timeout']],
  becomeMethod: [['privilege_escalation', 'become_method']],
} as const satisfies Record<string, Places>;

const ssh = {
  ...common,
  hostKeyChecking: [
    ['defaults', 'host_key_checking'],
    ['ssh_connection', 'host_key_checking'],
  ],
  sshExecutable: [['ssh_connection', 'ssh_executable']],
  sshArguments: [['ssh_connection', 'ssh_args']],
  commonArguments: [['ssh_connection', 'ssh_common_args']],
  extraArguments: [['ssh_connection', 'ssh_extra_args']],
} as const satisfies Record<string, Places>;

const paramiko = {
  ...common,
  hostKeyChecking: [
    ['defaults', 'host_key_checking'],
    ['paramiko_connection', 'host_key_checking'],
  ],
  paramikoProxyCommand: [['paramiko_connection', 'proxy_command']],
} as const satisfies Record<string, Places>;

/** Names of settings of a connection (`HostSettings`) to what a configuration file sets where no variable of the host does. */
export type ConfiguredSettings = ReadonlyMap<string, ConfigValue>;

/** What a configuration file says about connections, by the connection plugin that would read it. */
export interface ConfiguredConnections {
  readonly ssh: ConfiguredSettings;
  readonly paramiko: ConfiguredSettings;
}

/** Settings of which the file says nothing. */
export const nothingConfigured: ConfiguredConnections = { ssh: new Map(), paramiko: new Map() };

/** The settings of connections that a file has, unquoted. Source: the options of ansible-core 2.19's plugins; `ansible-config dump`. */
export function configuredConnections(sections: ConfigSections): ConfiguredConnections {
  const found = (table: Readonly<Record<string, Places>>): ConfiguredSettings => {
    const entries = Object.entries(table).map(
      ([setting, places]) => [setting, places.map((place) => configValue(sections, place)).findLast(Boolean)] as const,
    );
    return new Map(entries.flatMap(([setting, value]) => (value === undefined ? [] : [[setting, value]])));
  };
  return { ssh: found(ssh), paramiko: found(paramiko) };
}

/** Without the quotes around it; undefined where it is a template: those are never followed. */
export function configValue(
  sections: ConfigSections,
  [section, key]: readonly [section: string, key: string],
): ConfigValue | undefined {
  const found = sections.get(section)?.get(key);
  return found === undefined || isTemplate(found) ? undefined : { ...found, value: unquoted(found.value) };
}

/** Keys that would change which hosts are reached, how, or with which variables, and are not followed; `*` for all of a section. */
const unfollowed: Readonly<Record<string, readonly string[]>> = {
  defaults: [
    'ask_pass',
    'ask_vault_pass',
    'become_password_file',
    'connection_password_file',
    'hash_behaviour',
    'inventory_ignore_extensions',
    'inventory_ignore_patterns',
    'precedence',
    'vault_id_match',
  ],
  inventory: ['enable_plugins', 'ignore_extensions', 'ignore_patterns'],
  privilege_escalation: ['become_ask_pass', 'become_exe', 'become_flags', 'become_user'],
  ssh_connection: ['pkcs11_provider'],
  paramiko_connection: ['*'],
  sudo_become_plugin: ['*'],
  su_become_plugin: ['*'],
};
const followed: ReadonlySet<string> = new Set([
  ...[...Object.values(ssh), ...Object.values(paramiko)].flat().map(([section, key]) => `${section} ${key}`),
  'defaults vault_password_file',
  'defaults vault_identity_list',
]);
/** Values with which a key changes nothing: Ansible's own, or what is done anyway. */
const plainValues: Readonly<Record<string, RegExp>> = {
  become_user: /^root$/,
  become_flags: /^(?:-[HSn]\s*)*$/,
  hash_behaviour: /^replace$/,
  ask_pass: /^(?:n|no|off|0|false|f)$/i,
  ask_vault_pass: /^(?:n|no|off|0|false|f)$/i,
  become_ask_pass: /^(?:n|no|off|0|false|f)$/i,
};

/** The keys of the file that matter and are not followed, each as `[section] key (line N)`, in the order of the file. */
export function unfollowedKeys(sections: ConfigSections): readonly string[] {
  const found = [...sections].flatMap(([section, values]) =>
    [...values].flatMap(([key, value]) =>
      isUnfollowed(section, key, value) ? [{ line: value.line, text: `[${section}] ${key}` }] : [],
    ),
  );
  return found.sort((left, right) => left.line - right.line).map(({ text, line }) => `${text} (line ${line})`);
}

function isUnfollowed(section: string, key: string, value: ConfigValue): boolean {
  if (followed.has(`${section} ${key}`)) return isTemplate(value);
  const keys = unfollowed[section] ?? [];
  if (value.value === '' || !(keys.includes(key) || keys.includes('*'))) return false;
  return plainValues[key]?.test(unquoted(value.value)) !== true;
}

function isTemplate({ value }: ConfigValue): boolean {
  return value.includes('{{');
}

/** Source: ansible-core 2.19, parsing/quoting.py. */
function unquoted(value: string): string {
  return /^(["'])[^]*(?<!\\)\1$/.test(value) && value.length > 1 ? value.slice(1, -1) : value;
}
