import { BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import { HostVariables } from './connection/host-variables.js';
import { UnresolvedTemplate } from './connection/template.js';
import { isList, isMapping, VaultValue } from './inventory/inventory.js';
import type { InventoryHost, InventoryValue } from './inventory/inventory.js';
import type { Vault } from './inventory/vault.js';

/**
 * The variables of a host for components: `lsbackup_*`, their options, decrypted and with references resolved; of all others only those
 * that are not encrypted, as they were written. Nothing is decrypted that is no option. Throws INVENTORY_UNSUPPORTED for an option that
 * is a template of more than references, VAULT_PASSWORD and INVENTORY_SYNTAX for an encrypted one.
 */
export function variablesForComponents(host: InventoryHost, vault: Vault): Record<string, Json> {
  const resolved = new HostVariables(host, vault);
  const entries: [string, Json][] = [];
  for (const [name, { value, encrypted }] of host.variables) {
    if (name.startsWith('lsbackup_')) entries.push([name, jsonOf(optionValue(name, host, resolved))]);
    else if (encrypted !== true && !holdsVault(value)) entries.push([name, jsonOf(value)]);
  }
  return Object.fromEntries(entries);
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

/** Integers that a number cannot hold become their digits. No vault value gets here. */
function jsonOf(value: InventoryValue): Json {
  if (isList(value)) return value.map(jsonOf);
  if (isMapping(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item)]));
  if (value instanceof VaultValue) return value.ciphertext;
  return typeof value === 'bigint' ? String(value) : value;
}
