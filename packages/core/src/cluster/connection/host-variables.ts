import { dirname } from 'node:path';

import { ForeignValue, isList, isMapping, VaultValue } from '../inventory/inventory.js';
import type { InventoryHost, InventoryValue, Place } from '../inventory/inventory.js';
import type { Vault } from '../inventory/vault.js';
import { isTemplate, resolveReferences, UnresolvedTemplate } from './template.js';
import type { Reference } from './template.js';

interface NamedPlace extends Place {
  readonly name: string;
}

/** Lists and mappings in each other; more is a circle of references. */
const maximumDepth = 20;

/** The variables of one host as whoever needs one sees it: decrypted, and with plain references resolved. */
export class HostVariables {
  constructor(
    private readonly host: InventoryHost,
    private readonly vault: Vault,
  ) {}

  /**
   * Undefined when it is not set. Nothing is decrypted or resolved before it is asked for. Throws UnresolvedTemplate for a template
   * that is more than references; VAULT_PASSWORD and INVENTORY_SYNTAX for a vault text on the way, with the place of the variable.
   */
  value(name: string): InventoryValue | undefined {
    const variable = this.host.variables.get(name);
    return variable === undefined ? undefined : this.plain(variable.value, { ...variable, name }, 0);
  }

  /** Whether any of it is encrypted, or stands in a file that is, also by references. Decrypts nothing. */
  isEncrypted(name: string, passed = new Set<string>()): boolean {
    const variable = this.host.variables.get(name);
    if (variable === undefined || passed.has(name)) return false;
    passed.add(name);
    return variable.encrypted === true || this.holdsEncrypted(variable.value, passed);
  }

  private holdsEncrypted(value: InventoryValue, passed: Set<string>): boolean {
    if (value instanceof VaultValue) return true;
    if (isList(value)) return value.some((item) => this.holdsEncrypted(item, passed));
    if (isMapping(value)) return Object.values(value).some((item) => this.holdsEncrypted(item, passed));
    if (typeof value !== 'string' || !isTemplate(value)) return false;
    const words = value.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? [];
    return words.some((word) => this.isEncrypted(word, passed));
  }

  /** `variable` is what is asked for, for messages. */
  private plain(value: InventoryValue, variable: NamedPlace, depth: number): InventoryValue {
    if (depth > maximumDepth) throw new UnresolvedTemplate('is nested too deep');
    const { value: found, literal } = this.reference(value, variable);
    if (isList(found)) return found.map((item) => this.plain(item, variable, depth + 1));
    if (isMapping(found)) {
      const entries = Object.entries(found).map(([key, item]) => [key, this.plain(item, variable, depth + 1)] as const);
      return Object.fromEntries(entries);
    }
    if (found instanceof ForeignValue && found.kind === 'bytes') throw new UnresolvedTemplate('holds bytes (!!binary)');
    if (literal || typeof found !== 'string') return found;
    const resolved = resolveReferences(found, (other) => this.lookup(other), variable.encrypted);
    return typeof resolved === 'object' ? this.plain(resolved, variable, depth + 1) : resolved;
  }

  /** Source: Ansible documentation, "Special variables". */
  private lookup(name: string): Reference | undefined {
    const variable = this.host.variables.get(name);
    if (variable !== undefined) return this.reference(variable.value, { ...variable, name });
    const { host } = this;
    const computed = new Map<string, InventoryValue>([
      ['inventory_hostname', host.name],
      ['inventory_hostname_short', host.name.split('.')[0] ?? ''],
      ['inventory_file', host.place.file],
      ['inventory_dir', dirname(host.place.file)],
      ['group_names', host.groups],
    ]).get(name);
    return computed === undefined ? undefined : { value: computed, literal: true, place: undefined };
  }

  private reference(value: InventoryValue, { name, file, line, encrypted }: NamedPlace): Reference {
    const place = `${file}:${line}`;
    if (value instanceof VaultValue) {
      return { value: this.vault.decrypt(value.ciphertext, `${place}: ${name}`, encrypted), literal: true, place };
    }
    const unsafe = unsafeText(value);
    return { value: unsafe ?? value, literal: unsafe !== undefined, place, hidden: encrypted };
  }
}

/** Of `!unsafe`: text that is never a template. */
function unsafeText(value: InventoryValue): string | undefined {
  if (!isMapping(value) || Object.keys(value).length !== 1) return undefined;
  return typeof value.__ansible_unsafe === 'string' ? value.__ansible_unsafe : undefined;
}
