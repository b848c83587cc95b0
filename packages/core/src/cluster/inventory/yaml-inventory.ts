import { BackupError } from '../../model/errors.js';
import { valueOf } from './ansible-yaml.js';
import type { YamlNode } from './ansible-yaml.js';
import { expandHosts } from './host-names.js';
import type { ExpandedHosts } from './host-names.js';
import { inventoryFault } from './inventory-graph.js';
import type { InventoryGraph } from './inventory-graph.js';
import { named, placeIn } from './inventory-text.js';
import type { InventoryText } from './inventory-text.js';
import type { Place } from './inventory.js';
import { PythonFloat } from '../python/python-number.js';

export type YamlMap = Extract<YamlNode, { readonly kind: 'map' }>;

const sections: readonly string[] = ['vars', 'children', 'hosts'];

/**
 * Reads groups with their hosts, variables and children, as Ansible's inventory plugin `yaml` does (ansible-core 2.19), into the graph.
 * Returns warnings: what Ansible passes over with one. Throws INVENTORY_SYNTAX with file and line, INVENTORY_UNSUPPORTED for the
 * configuration of another plugin; the graph is of no use then.
 */
export function readYamlInventory(root: YamlMap, source: InventoryText, graph: InventoryGraph): readonly string[] {
  const plugin = root.entries.get('plugin');
  if (plugin !== undefined && !isFalsy(plugin)) throw pluginRefusal(plugin, source.file);
  const reader = new YamlReader(source, graph);
  for (const [name, node] of root.entries) reader.readGroup(name, node, root);
  return reader.warnings;
}

/** Nothing in Python's sense: what has a `plugin` of this kind is an inventory, and the group is called so. */
export function isFalsy(node: YamlNode): boolean {
  if (node.kind === 'map') return node.entries.size === 0;
  if (node.kind === 'list') return node.items.length === 0;
  if (node.kind === 'vault') return false;
  return node.value instanceof PythonFloat ? node.value.value === 0 : !node.value;
}

function pluginRefusal(plugin: YamlNode, file: string): BackupError {
  return new BackupError(
    'INVENTORY_UNSUPPORTED',
    `${file}:${plugin.line}: the file configures an inventory plugin, which lsbackup does not run`,
    {
      hint: 'Give the inventory that the plugin makes: `ansible-inventory --list --export --yaml --output FILE`.',
    },
  );
}

class YamlReader {
  readonly warnings: string[] = [];

  constructor(
    private readonly source: InventoryText,
    private readonly graph: InventoryGraph,
  ) {}

  /** `parent` is the mapping that names the group. */
  readGroup(name: string, node: YamlNode, parent: YamlMap): void {
    if (!isNothing(node) && node.kind !== 'map') {
      this.warn(node, `${named('group', name, this.source)} is passed over: it is no mapping`);
      return;
    }
    if (parent.otherKeys.has(name)) throw this.fault(node, 'the name of a group must be text: put quotes around it');
    if (name === '') throw this.fault(node, 'a group has an empty name');
    this.graph.addGroup(name, this.place(node));
    if (node.kind !== 'map') return;
    const parts = new Map([...node.entries].map(([key, part]) => [key, this.section(name, key, part)]));
    for (const [key, part] of parts) this.readPart(name, key, part);
  }

  /** Text stands for a mapping with this one key. */
  private section(group: string, key: string, node: YamlNode): YamlNode {
    if (!sections.includes(key) || isNothing(node) || node.kind === 'map') return node;
    const value = node.kind === 'scalar' ? textIn(node.value) : undefined;
    if (value === undefined) throw this.fault(node, `"${key}" of ${named('group', group, this.source)} is no mapping`);
    const { line } = node;
    return {
      kind: 'map',
      line,
      entries: new Map([[value, { kind: 'scalar', line, value: null }]]),
      otherKeys: new Set(),
    };
  }

  private readPart(group: string, key: string, node: YamlNode): void {
    if (isNothing(node)) return;
    const what = `${named('key', key, this.source)} in ${named('group', group, this.source)} is passed over`;
    if (node.kind !== 'map') this.warn(node, `${what}: it is no mapping`);
    else if (key === 'vars') this.readVariables(group, node);
    else if (key === 'children') this.readChildren(group, node);
    else if (key === 'hosts') for (const [pattern, host] of node.entries) this.readHosts(group, pattern, host, node);
    else this.warn(node, `${what}: a group has "hosts", "vars" and "children"`);
  }

  private readVariables(owner: string, variables: YamlMap): void {
    for (const [name, node] of variables.entries) {
      this.graph.setVariable(owner, name, { value: valueOf(node), ...this.place(node) });
    }
  }

  /** A group that was passed over is a child only if it is there from elsewhere; then it may even be a host. */
  private readChildren(group: string, children: YamlMap): void {
    for (const [child, node] of children.entries) {
      this.readGroup(child, node, children);
      if (this.graph.hasGroup(child)) this.graph.addChild(group, child, this.place(node));
      else if (this.graph.hasHost(child)) this.graph.addHost(child, group, this.place(node));
      else
        throw this.fault(
          node,
          `${named('name', child, this.source)} is a child of ${named('group', group, this.source)}, but no group`,
        );
    }
  }

  private readHosts(group: string, pattern: string, node: YamlNode, hosts: YamlMap): void {
    if (hosts.otherKeys.has(pattern)) throw this.fault(node, 'the name of a host must be text: put quotes around it');
    if (!isFalsy(node) && node.kind !== 'map')
      throw this.fault(node, `the variables of ${named('host', pattern, this.source)} are no mapping`);
    const { names, port } = this.expand(pattern, node);
    for (const name of names) {
      this.graph.addHost(name, group, this.place(node), port);
      if (node.kind === 'map') this.readVariables(name, node);
    }
  }

  private expand(pattern: string, node: YamlNode): ExpandedHosts {
    try {
      return expandHosts(pattern);
    } catch (error) {
      if (error instanceof SyntaxError) throw this.fault(node, error.message);
      throw error;
    }
  }

  private place(node: YamlNode): Place {
    return placeIn(this.source, node.line);
  }

  private fault(node: YamlNode, message: string): BackupError {
    return inventoryFault(this.place(node), message);
  }

  private warn(node: YamlNode, message: string): void {
    this.warnings.push(`${this.source.file}:${node.line}: ${message}`);
  }
}

function isNothing(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** Text, also where it is marked as never a template. */
function textIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const isMark = typeof value === 'object' && value !== null && '__ansible_unsafe' in value;
  return isMark && typeof value.__ansible_unsafe === 'string' ? value.__ansible_unsafe : undefined;
}
