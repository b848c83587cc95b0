import type { ConfiguredConnections, ConfiguredSettings } from '../ansible-config/config-settings.js';
import { BackupError } from '../../model/errors.js';
import { Secret } from '../../model/secret.js';
import type { InventoryHost, InventoryValue, Variable } from '../inventory/inventory.js';
import type { Vault } from '../inventory/vault.js';
import { numberText, parseWholeNumber, PythonFloat } from '../python/python-number.js';
import { HostVariables } from './host-variables.js';
import type { OptionPlace } from './ssh-options.js';
import { isTemplate, UnresolvedTemplate } from './template.js';

/**
 * For each setting the variables that set it; a later one wins. Source: options of Ansible's ssh and paramiko connections and of its
 * sudo and su plugins (ansible-core 2.19); `ansible_timeout` is a magic variable of its constants.py.
 */
const variableNames = {
  address: ['ansible_host', 'ansible_ssh_host'],
  port: ['ansible_port', 'ansible_ssh_port'],
  user: ['ansible_user', 'ansible_ssh_user'],
  password: ['ansible_password', 'ansible_ssh_pass', 'ansible_ssh_password'],
  privateKeyFile: ['ansible_private_key_file', 'ansible_ssh_private_key_file'],
  passphrase: ['ansible_private_key_passphrase', 'ansible_ssh_private_key_passphrase'],
  hostKeyChecking: ['ansible_host_key_checking', 'ansible_ssh_host_key_checking'],
  timeout: ['ansible_timeout', 'ansible_ssh_timeout'],
  connection: ['ansible_connection'],
  transport: ['lsbackup_transport'],
  sshExecutable: ['ansible_ssh_executable'],
  sshArguments: ['ansible_ssh_args'],
  commonArguments: ['ansible_ssh_common_args'],
  extraArguments: ['ansible_ssh_extra_args'],
  paramikoProxyCommand: ['ansible_paramiko_proxy_command'],
  become: ['ansible_become'],
  becomeMethod: ['ansible_become_method'],
  sudoUser: ['ansible_become_user', 'ansible_sudo_user'],
  suUser: ['ansible_become_user', 'ansible_su_user'],
  sudoPassword: ['ansible_become_password', 'ansible_become_pass', 'ansible_sudo_pass'],
  suPassword: ['ansible_become_password', 'ansible_become_pass', 'ansible_su_pass'],
} as const satisfies Record<string, readonly string[]>;

/** With `ansible_connection=paramiko` other names count as well, and more. */
const paramikoNames: Readonly<Record<Setting, readonly string[]>> = {
  ...variableNames,
  address: [...variableNames.address, 'ansible_paramiko_host'],
  port: [...variableNames.port, 'ansible_paramiko_port'],
  user: [...variableNames.user, 'ansible_paramiko_user'],
  password: [...variableNames.password, 'ansible_paramiko_pass', 'ansible_paramiko_password'],
  privateKeyFile: [...variableNames.privateKeyFile, 'ansible_paramiko_private_key_file'],
  hostKeyChecking: [...variableNames.hostKeyChecking, 'ansible_paramiko_host_key_checking'],
  timeout: [...variableNames.timeout, 'ansible_paramiko_timeout'],
};

/** Every variable that says how a host is reached and how root is become on it. */
export const connectionVariables: readonly string[] = [
  ...new Set([...Object.values(variableNames), ...Object.values(paramikoNames)].flat()),
];

export type Setting = keyof typeof variableNames;

const yesWords = new Set(['y', 'yes', 'on', '1', 'true', 't']);
const noWords = new Set(['n', 'no', 'off', '0', 'false', 'f']);

/** The connection variables of one host, read by what they set, with those of Ansible's configuration below them; every fault names file, line, host and variable. */
export class HostSettings {
  private readonly variables: HostVariables;
  private readonly isParamiko: boolean;

  constructor(
    private readonly host: InventoryHost,
    private readonly file: string,
    vault: Vault,
    private readonly configured: ConfiguredConnections,
  ) {
    this.variables = new HostVariables(host, vault);
    const connection = host.variables.get('ansible_connection')?.value ?? configured.ssh.get('connection')?.value;
    this.isParamiko = typeof connection === 'string' && connection.includes('paramiko');
  }

  /**
   * The setting as text, numbers written as Python writes them (`1.0`), decrypted, plain references resolved; undefined when it is not set. Throws
   * INVENTORY_UNSUPPORTED for any other template, VAULT_PASSWORD for an encrypted value whose password is not there.
   */
  text(setting: Setting): string | undefined {
    const { name, value } = this.read(setting);
    if (value === undefined) return undefined;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'bigint' || value instanceof PythonFloat)
      return numberText(value);
    throw this.fault(setting, `${name} is neither text nor a number`);
  }

  /** The setting as the digits of a whole number, which Ansible also takes from ` 022` and `22.0`; undefined when it is not set. */
  integer(setting: Setting): string | undefined {
    const text = this.text(setting);
    if (text === undefined) return undefined;
    const number = parseWholeNumber(text);
    if (number === undefined) throw this.fault(setting, `${this.read(setting).name} is no whole number`);
    return String(number);
  }

  /** The setting as messages may show it: nothing of what is encrypted, or comes from elsewhere by a reference. */
  shown(setting: Setting): string {
    const { variable } = this.find(setting);
    const isPlain = typeof variable?.value === 'string' && !isTemplate(variable.value) && !this.isEncrypted(setting);
    return isPlain ? (this.text(setting) ?? '') : '[secret]';
  }

  /** The setting as a secret; undefined when it is not set, or empty. Its text is in no message. */
  secret(setting: Setting): Secret | undefined {
    const text = this.text(setting);
    return text === undefined || text === '' ? undefined : new Secret(text);
  }

  /** Whether any of the setting is encrypted, or stands in a file that is, also by references. */
  isEncrypted(setting: Setting): boolean {
    return this.names(setting).some((name) => this.variables.isEncrypted(name));
  }

  /** Where the setting is, for the options that come from it; of one that is encrypted nothing is told but its name. */
  place(setting: Setting): OptionPlace {
    const name = (): string => this.find(setting).name;
    const told = (message: string): string =>
      this.isEncrypted(setting)
        ? `ssh would not take what ${name()} says; it is encrypted, so it is not shown`
        : message;
    return {
      named: (option) => (this.isEncrypted(setting) ? `an option in ${name()}` : option),
      fault: (message) => this.fault(setting, told(message)),
      refusal: (message, hint) => this.refusal(setting, told(message), hint),
    };
  }

  /** Those of the variables that the host has, in the order given. */
  present(names: readonly string[]): readonly string[] {
    return names.filter((name) => (this.host.variables.get(name)?.value ?? null) !== null);
  }

  /** The setting as a truth value in Ansible's words; undefined when it is not set. */
  yesOrNo(setting: Setting): boolean | undefined {
    const { name, value } = this.read(setting);
    if (value === undefined) return undefined;
    const word = truthWord(value);
    if (yesWords.has(word)) return true;
    if (noWords.has(word)) return false;
    throw this.fault(setting, `${name} is neither true nor false`);
  }

  /** A value that makes no sense: INVENTORY_SYNTAX. */
  fault(setting: Setting, message: string): BackupError {
    return new BackupError('INVENTORY_SYNTAX', this.placed(setting, message), { host: this.host.name });
  }

  /** A value that makes sense, but not to this version: INVENTORY_UNSUPPORTED. */
  refusal(setting: Setting, message: string, hint: string): BackupError {
    return new BackupError('INVENTORY_UNSUPPORTED', this.placed(setting, message), { host: this.host.name, hint });
  }

  /** The strongest variable of the setting that is not null, as Ansible has it when it is resolved. */
  private read(setting: Setting): { readonly name: string; readonly value: InventoryValue | undefined } {
    const names = this.names(setting);
    for (let index = names.length - 1; index >= 0; index -= 1) {
      const name = names[index] ?? setting;
      const value = this.resolved(setting, name);
      if (value !== undefined && value !== null) return { name, value };
    }
    return { name: this.find(setting).name, value: this.settings().get(setting)?.value };
  }

  private resolved(setting: Setting, name: string): InventoryValue | undefined {
    try {
      return this.variables.value(name);
    } catch (error) {
      if (!(error instanceof UnresolvedTemplate)) throw error;
      const hint = 'Write the value out: only plain references like {{ other_variable }} are resolved.';
      throw this.refusal(setting, `${name} ${error.message}`, hint);
    }
  }

  private find(setting: Setting): { readonly name: string; readonly variable: Variable | undefined } {
    const names = this.names(setting);
    const name = names.findLast((candidate) => (this.host.variables.get(candidate)?.value ?? null) !== null);
    return {
      name: name ?? names[0] ?? setting,
      variable: name === undefined ? this.settings().get(setting) : this.host.variables.get(name),
    };
  }

  private names(setting: Setting): readonly string[] {
    return (this.isParamiko ? paramikoNames : variableNames)[setting];
  }

  /** What Ansible's configuration sets: weaker than every variable. */
  private settings(): ConfiguredSettings {
    return this.isParamiko ? this.configured.paramiko : this.configured.ssh;
  }

  private placed(setting: Setting, message: string): string {
    const { variable } = this.find(setting);
    const place = variable === undefined ? this.file : `${variable.file}:${variable.line}`;
    return `${place}: host ${this.host.name}: ${message}`;
  }
}

/** Nothing for what is no truth value in any words. */
function truthWord(value: InventoryValue): string {
  if (value instanceof PythonFloat) return String(value.value);
  return typeof value === 'object' ? '' : String(value).toLowerCase().trim();
}
