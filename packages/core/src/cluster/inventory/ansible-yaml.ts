import { VaultValue } from './inventory.js';
import type { InventoryValue } from './inventory.js';
import { readJson } from './yaml/json-reader.js';
import { NodeBuilder } from './yaml/node-builder.js';
import { parseTree } from './yaml/parse-tree.js';

/**
 * One value of a YAML or JSON file that Ansible reads. Its line, from 1, is that of its key in a mapping, else of its own beginning.
 */
export type YamlNode = { readonly line: number } & (
  | {
      readonly kind: 'map';
      /** Keys as `ansible-inventory --list` prints them; equal keys are one entry, with the last value. */
      readonly entries: ReadonlyMap<string, YamlNode>;
      /** The keys that are not text: numbers, truth values, nothing. Ansible takes them as variables, not as hosts and groups. */
      readonly otherKeys: ReadonlySet<string>;
    }
  | { readonly kind: 'list'; readonly items: readonly YamlNode[] }
  | { readonly kind: 'scalar'; readonly value: InventoryValue }
  /** A `!vault` scalar, still encrypted: the text with its header. */
  | { readonly kind: 'vault'; readonly text: string }
);

export interface AnsibleYaml {
  /** Undefined for an empty document. */
  readonly node: YamlNode | undefined;
  /** Allowed, but rarely meant: one sentence each, with `file:line`. */
  readonly warnings: readonly string[];
}

/**
 * Reads a YAML or JSON file as Ansible does: as JSON where it is JSON, else as YAML 1.1 with the tags `!vault` and `!unsafe`. `text` is
 * the file's, decrypted if it was encrypted; `file` is for messages and warnings. A key that is there twice counts with its
 * last value, and is a warning. Messages quote no values.
 * Throws INVENTORY_SYNTAX with `file:line`, also for what could be read without end: aliases that multiply, more than 200 levels.
 */
export function parseAnsibleYaml(text: string, file: string): AnsibleYaml {
  const json = readJson(text);
  if (json !== undefined) return { node: json, warnings: [] };
  const tree = parseTree(text, file);
  if (tree === undefined) return { node: undefined, warnings: [] };
  const builder = new NodeBuilder(file);
  return { node: builder.node(tree), warnings: builder.warnings };
}

/** The value without its places; vault nodes stay encrypted. */
export function valueOf(node: YamlNode): InventoryValue {
  switch (node.kind) {
    case 'map':
      return Object.fromEntries([...node.entries].map(([key, child]) => [key, valueOf(child)]));
    case 'list':
      return node.items.map(valueOf);
    case 'scalar':
      return node.value;
    case 'vault':
      return new VaultValue(node.text);
  }
}
