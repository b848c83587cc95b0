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

/** The settings that are followed, but for `inventory`, each as `section key`. */
export const followedSettings: ReadonlySet<string> = new Set([
  ...[...Object.values(ssh), ...Object.values(paramiko)].flat().map(([section, key]) => `${section} ${key}`),
  'defaults vault_password_file',
  'defaults vault_identity_list',
]);

/** Without the quotes around it; undefined where it is a template: those are never followed. */
export function configValue(
  sections: ConfigSections,
  [section, key]: readonly [section: string, key: string],
): ConfigValue | undefined {
  const found = sections.get(section)?.get(key);
  return found === undefined || isTemplate(found) ? undefined : { ...found, value: unquoted(found.value) };
}

/** A template is never followed. */
export function isTemplate({ value }: ConfigValue): boolean {
  return value.includes('{{');
}

/** Source: ansible-core 2.19, parsing/quoting.py. */
export function unquoted(value: string): string {
  return /^(["'])[^]*(?<!\\)\1$/.test(value) && value.length > 1 ? value.slice(1, -1) : value;
}
