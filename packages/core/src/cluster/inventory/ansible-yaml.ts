import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, ParsedNode } from 'yaml';

import { BackupError } from '../../model/errors.js';
import { VaultValue } from './inventory.js';
import type { InventoryValue } from './inventory.js';

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
 * Reads a YAML or JSON file as Ansible does. `text` is the file's, decrypted if it was encrypted; `file` is for messages and
 * warnings. Throws INVENTORY_SYNTAX with `file:line`.
 */
export function parseAnsibleYaml(text: string, file: string): AnsibleYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.1',
    lineCounter: lines,
    customTags: (tags) => [...tags, '!vault', '!unsafe'].map(named),
    uniqueKeys: false,
    logLevel: 'silent',
  });
  const fault = document.errors[0];
  if (fault !== undefined)
    throw new BackupError('INVENTORY_SYNTAX', `${file}:${lines.linePos(fault.pos[0]).line}: ${fault.code}`);
  const line = (node: ParsedNode): number => lines.linePos(node.range[0]).line;
  const contents = document.contents;
  return { node: contents === null ? undefined : nodeOf(contents, line, document), warnings: [] };
}

function named(tag: unknown): never {
  if (tag === '!vault' || tag === '!unsafe')
    return {
      tag,
      resolve: (text: string) => (tag === '!vault' ? new VaultValue(text) : { __ansible_unsafe: text }),
    } as never;
  return tag as never;
}

function nodeOf(node: ParsedNode, lineOf: (node: ParsedNode) => number, document: Document): YamlNode {
  const line = lineOf(node);
  if (isAlias(node)) return { ...nodeOf(node.resolve(document) as ParsedNode, lineOf, document), line };
  if (isSeq(node))
    return { kind: 'list', line, items: node.items.map((item) => nodeOf(item as ParsedNode, lineOf, document)) };
  if (isMap(node)) {
    const entries = new Map<string, YamlNode>();
    for (const { key, value } of node.items) {
      const child =
        value === null ? ({ kind: 'scalar', value: null } as const) : nodeOf(value as ParsedNode, lineOf, document);
      entries.set(String(isScalar(key) ? key.value : key), { ...child, line: lineOf(key as ParsedNode) });
    }
    return { kind: 'map', line, entries, otherKeys: new Set() };
  }
  const value = isScalar(node) ? node.value : null;
  if (value instanceof VaultValue) return { kind: 'vault', line, text: value.ciphertext };
  return { kind: 'scalar', line, value: value as InventoryValue };
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
