import { BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import { HostVariables } from './connection/host-variables.js';
import { UnresolvedTemplate } from './connection/template.js';
import { ForeignValue, isList, isMapping, VaultValue } from './inventory/inventory.js';
import type { InventoryHost, InventoryValue, Variable } from './inventory/inventory.js';
import type { Vault } from './inventory/vault.js';
import { floatText, PythonFloat } from './python/python-number.js';

/**
 * The variables of hosts for components: `lsbackup_*`, their options, decrypted and with references resolved; of all others only those
 * that are not encrypted, as they were written. Nothing is decrypted that is no option.
 */
export class ComponentVariables {
  /** What many hosts have from one group is made once. */
  private readonly shown = new Map<Variable, Json | undefined>();

  constructor(private readonly vault: Vault) {}

  /**
   * Throws INVENTORY_UNSUPPORTED for an option that is a template of more than references, VAULT_PASSWORD and INVENTORY_SYNTAX for an
   * encrypted one.
   */
  of(host: InventoryHost): Readonly<Record<string, Json>> {
    const resolved = new HostVariables(host, this.vault);
    const values: Record<string, Json> = {};
    for (const [name, variable] of host.variables) {
      const isOption = name.startsWith('lsbackup_');
      const value = isOption ? jsonOf(optionValue(name, host, resolved)) : this.shownValue(variable);
      if (value === undefined) continue;
      // Assigned, as that is much faster for thousands of hosts with the same names; but to assign this one would set no property.
      if (name === '__proto__') Object.defineProperty(values, name, { value, enumerable: true });
      else values[name] = value;
    }
    return values;
  }

  /** Undefined for what must not be shown. */
  private shownValue(variable: Variable): Json | undefined {
    if (this.shown.has(variable)) return this.shown.get(variable);
    const { value, encrypted } = variable;
    const shown = encrypted === true || holdsVault(value) ? undefined : jsonOf(value);
    this.shown.set(variable, shown);
    return shown;
  }
}

function optionValue(name: string, host: InventoryHost, resolved: HostVariables): InventoryValue {
  try {
    return resolved.value(name) ?? null;
  } catch (error) {
    if (!(error instanceof UnresolvedTemplate)) throw error;
    const { file, line } = host.variables.get(name) ?? { file: '', line: 0 };
    throw new BackupError('INVENTORY_UNSUPPORTED', `${file}:${line}: host ${host.name}: ${name} ${error.message}`, {
      host: host.name,
      hint: 'Write the value out: only plain references like {{ other_variable }} are resolved.',
    });
  }
}

function holdsVault(value: InventoryValue): boolean {
  if (isList(value)) return value.some(holdsVault);
  return isMapping(value) ? Object.values(value).some(holdsVault) : value instanceof VaultValue;
}

/** What JSON has no number for becomes text: long integers, infinity. No vault value gets here. */
function jsonOf(value: InventoryValue): Json {
  if (isList(value)) return value.map(jsonOf);
  if (isMapping(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item)]));
  if (value instanceof VaultValue) return value.ciphertext;
  if (value instanceof ForeignValue) return value.text;
  if (value instanceof PythonFloat) return Number.isFinite(value.value) ? value.value : floatText(value.value);
  return typeof value === 'bigint' ? String(value) : value;
}
