import { mayBeNamed } from '../inventory/inventory-text.js';
import type { ConfigSections, ConfigValue } from './config-parser.js';
import { followedSettings, isTemplate, unquoted } from './config-settings.js';

/**
 * Keys that would change which hosts are reached, how, or with which variables, and are not followed, with the environment variable that
 * is stronger; `*` stands for all of a section. What only lets Ansible go on where lsbackup stops (`any_unparsed_is_failed`,
 * `host_pattern_mismatch`) is not there. Source: `ansible-config list` and the options of the plugins in ansible-core 2.19.
 */
const unfollowed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  defaults: {
    ask_pass: 'ANSIBLE_ASK_PASS',
    ask_vault_pass: 'ANSIBLE_ASK_VAULT_PASS',
    become_password_file: 'ANSIBLE_BECOME_PASSWORD_FILE',
    become_plugins: 'ANSIBLE_BECOME_PLUGINS',
    connection_password_file: 'ANSIBLE_CONNECTION_PASSWORD_FILE',
    connection_plugins: 'ANSIBLE_CONNECTION_PLUGINS',
    duplicate_dict_key: 'ANSIBLE_DUPLICATE_YAML_DICT_KEY',
    force_valid_group_names: 'ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS',
    hash_behaviour: 'ANSIBLE_HASH_BEHAVIOUR',
    inventory_ignore_extensions: 'ANSIBLE_INVENTORY_IGNORE',
    inventory_ignore_patterns: 'ANSIBLE_INVENTORY_IGNORE_REGEX',
    inventory_plugins: 'ANSIBLE_INVENTORY_PLUGINS',
    playbook_dir: 'ANSIBLE_PLAYBOOK_DIR',
    precedence: 'ANSIBLE_PRECEDENCE',
    vars_plugins: 'ANSIBLE_VARS_PLUGINS',
    vars_plugins_enabled: 'ANSIBLE_VARS_ENABLED',
    vault_id_match: 'ANSIBLE_VAULT_ID_MATCH',
    yaml_valid_extensions: 'ANSIBLE_YAML_FILENAME_EXT',
  },
  inventory: {
    enable_plugins: 'ANSIBLE_INVENTORY_ENABLED',
    ignore_extensions: 'ANSIBLE_INVENTORY_IGNORE',
    ignore_patterns: 'ANSIBLE_INVENTORY_IGNORE_REGEX',
  },
  inventory_plugin_yaml: { yaml_valid_extensions: 'ANSIBLE_INVENTORY_PLUGIN_EXTS' },
  privilege_escalation: {
    become_ask_pass: 'ANSIBLE_BECOME_ASK_PASS',
    become_exe: 'ANSIBLE_BECOME_EXE',
    become_flags: 'ANSIBLE_BECOME_FLAGS',
    become_user: 'ANSIBLE_BECOME_USER',
  },
  connection: { ssh_agent: 'ANSIBLE_SSH_AGENT' },
  ssh_connection: { pkcs11_provider: 'ANSIBLE_PKCS11_PROVIDER' },
  paramiko_connection: { '*': '' },
  sudo_become_plugin: { '*': '' },
  su_become_plugin: { '*': '' },
};
const no = /^(?:n|no|off|0|false|f)$/i;
/** Values with which a key changes nothing: Ansible's own, or what is done anyway. */
const plainValues: ReadonlyMap<string, RegExp> = new Map([
  ['become_user', /^root$/],
  ['become_flags', /^(?:-[HSn]\s*)*$/],
  ['duplicate_dict_key', /^(?:warn|ignore)$/],
  ['force_valid_group_names', /^(?:never|ignore)$/],
  ['hash_behaviour', /^replace$/],
  ['ssh_agent', /^none$/],
  ['vars_plugins_enabled', /^(?:ansible\.builtin\.)?host_group_vars$/],
  ['ask_pass', no],
  ['ask_vault_pass', no],
  ['become_ask_pass', no],
]);

/** Variables that count more than a key that is followed, or that have no key; and those of the sections that are named as a whole. */
const strongVariables: ReadonlySet<string> = new Set([
  'ANSIBLE_BECOME_METHOD',
  'ANSIBLE_BECOME_PASS',
  'ANSIBLE_HOST_KEY_CHECKING',
  'ANSIBLE_PRIVATE_KEY',
  'ANSIBLE_PRIVATE_KEY_FILE',
  'ANSIBLE_PRIVATE_KEY_PASSPHRASE',
  'ANSIBLE_REMOTE_PARAMIKO_PORT',
  'ANSIBLE_REMOTE_PORT',
  'ANSIBLE_REMOTE_USER',
  'ANSIBLE_SSH_ARGS',
  'ANSIBLE_SSH_COMMON_ARGS',
  'ANSIBLE_SSH_EXECUTABLE',
  'ANSIBLE_SSH_EXTRA_ARGS',
  'ANSIBLE_SSH_HOST_KEY_CHECKING',
  'ANSIBLE_TIMEOUT',
  'ANSIBLE_TRANSPORT',
]);
const sectionVariable = /^ANSIBLE_(?:PARAMIKO|SUDO|SU)_/;

/** The keys of the file that matter and are not followed, each as `[section] key (line N)`, in the order of the file. */
export function unfollowedKeys(sections: ConfigSections): readonly string[] {
  const found = [...sections].flatMap(([section, values]) =>
    [...values].flatMap(([key, value]) =>
      isUnfollowed(section, key, value) ? [{ line: value.line, text: shown(section, key) }] : [],
    ),
  );
  return found.sort((left, right) => left.line - right.line).map(({ text, line }) => `${text} (line ${line})`);
}

/** Of a key that is not written as keys are only the section: it may be a value that broke out of its lines. */
function shown(section: string, key: string): string {
  return mayBeNamed(key) ? `[${section}] ${key}` : `[${section}]`;
}

/** The names of the environment variables that matter to Ansible in the same way and are not followed, sorted. */
export function unfollowedVariables(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const keys = new Map(
    Object.values(unfollowed).flatMap((section) => Object.entries(section).map(([key, name]) => [name, key] as const)),
  );
  const matters = ([name, value]: readonly [string, string | undefined]): boolean => {
    if (value === undefined) return false;
    if (strongVariables.has(name)) return true;
    const key = keys.get(name);
    return value !== '' && (key === undefined ? sectionVariable.test(name) : !isPlain(key, value));
  };
  return Object.entries(environment)
    .filter(matters)
    .map(([name]) => name)
    .sort();
}

function isUnfollowed(section: string, key: string, value: ConfigValue): boolean {
  if (followedSettings.has(`${section} ${key}`)) return isTemplate(value);
  const keys = new Set(Object.keys(unfollowed[section] ?? {}));
  if (value.value === '' || !(keys.has(key) || keys.has('*'))) return false;
  return !isPlain(key, unquoted(value.value));
}

function isPlain(key: string, value: string): boolean {
  return plainValues.get(key)?.test(value) === true;
}
