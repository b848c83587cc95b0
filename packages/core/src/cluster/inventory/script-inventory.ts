import { BackupError } from '../../model/errors.js';
import { valueOf } from './ansible-yaml.js';
import type { YamlNode } from './ansible-yaml.js';
import { inventoryFault } from './inventory-graph.js';
import type { InventoryGraph } from './inventory-graph.js';
import { decodeText } from './inventory-text.js';
import type { InventoryValue } from './inventory.js';
import { isList, isMapping, VaultValue } from './inventory.js';
import { runScript } from './run-script.js';
import { readJson } from './yaml/json-reader.js';
import type { YamlMap } from './yaml-inventory.js';

const deadlineSeconds = 300;
export interface ScriptOptions {
  /** Where it runs; the working directory unless set. */
  readonly directory?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For `--list` and all of `--host` together; five minutes unless set. */
  readonly seconds?: number;
}

/** The one form of its output that Ansible has a name for. */
const profile = 'inventory_legacy';

/**
 * Runs an inventory script and reads what it prints into the graph, as Ansible's inventory plugin `script` does (ansible-core 2.19):
 * groups from `--list`, variables of hosts from `_meta.hostvars`, or where there is no `_meta` from `--host NAME` for each host.
 * Returns all that was printed. Throws INVENTORY_SCRIPT when the script fails, prints no JSON or takes more than five minutes,
 * INVENTORY_SYNTAX with the line of its output where Ansible refuses that.
 */
export async function readScriptInventory(
  file: string,
  graph: InventoryGraph,
  { directory, signal, seconds = deadlineSeconds }: ScriptOptions = {},
): Promise<readonly Buffer[]> {
  const deadline = AbortSignal.timeout(seconds * 1000);
  const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const surroundings = { signal: either, directory };
  try {
    const output = await runScript(file, ['--list'], surroundings);
    const reader = new ScriptReader(`${file} --list`, graph);
    const variables = reader.readList(jsonOf(output, `${file} --list`));
    const outputs = [output];
    for (const host of reader.hosts) {
      if (variables !== undefined) {
        reader.readHost(host, variables.entries.get(host));
        continue;
      }
      const own = await runScript(file, ['--host', host], surroundings);
      if (own.toString('latin1').trim() !== '') reader.readHost(host, jsonOf(own, `${file} --host ${host}`));
      outputs.push(own);
    }
    return outputs;
  } catch (error) {
    if (deadline.aborted && signal?.aborted !== true) {
      throw new BackupError('INVENTORY_SCRIPT', `the inventory script ${file} took more than ${seconds} seconds`);
    }
    throw error;
  }
}

function jsonOf(output: Buffer, source: string): YamlNode {
  const node = readJson(decodeText(output, source));
  if (node !== undefined) return node;
  throw new BackupError('INVENTORY_SCRIPT', `what \`${source}\` printed is not JSON`, {
    hint: 'Run it, and correct the script.',
  });
}

class ScriptReader {
  /** In order of first appearance. */
  readonly hosts = new Set<string>();

  constructor(
    private readonly source: string,
    private readonly graph: InventoryGraph,
  ) {}

  /** Returns the variables of hosts; undefined when the script must be asked for each. */
  readList(root: YamlNode): YamlMap | undefined {
    const groups = this.mapping(root, 'what it printed');
    const meta = groups.entries.get('_meta');
    const variables = meta === undefined ? undefined : this.variablesIn(this.mapping(meta, '"_meta"'));
    for (const [name, node] of groups.entries) if (name !== '_meta') this.readGroup(name, node);
    return variables;
  }

  /** Hosts without variables may be left out of what the script says of all. */
  readHost(name: string, node: YamlNode | undefined): void {
    if (node !== undefined) this.setVariables(name, this.mapping(node, `the variables of host "${name}"`));
  }

  private variablesIn(meta: YamlMap): YamlMap {
    const named = meta.entries.get('profile');
    if (named !== undefined && !(named.kind === 'scalar' && named.value === profile))
      throw this.fault(named, `"profile" is not "${profile}"`);
    const variables = meta.entries.get('hostvars');
    if (variables === undefined) throw this.fault(meta, '"_meta" has no "hostvars"');
    return this.mapping(variables, '"hostvars"');
  }

  /** A list is that of the hosts; a mapping without any of the three keys holds variables of a host that is called as the group. */
  private readGroup(name: string, node: YamlNode): void {
    if (name === '') throw this.fault(node, 'a group has an empty name');
    this.graph.addGroup(name, this.place(node));
    if (node.kind !== 'map') {
      this.readHosts(name, node);
      return;
    }
    const { entries } = node;
    if (!entries.has('hosts') && !entries.has('vars') && !entries.has('children')) {
      this.addHost(name, name, node);
      this.setVariables(name, node, withoutTemplates);
      return;
    }
    const [hosts, variables, children] = [entries.get('hosts'), entries.get('vars'), entries.get('children')];
    if (hosts !== undefined) this.readHosts(name, hosts);
    if (variables !== undefined) this.setVariables(name, this.mapping(variables, `"vars" of group "${name}"`));
    if (children !== undefined) this.readChildren(name, children);
  }

  private readHosts(group: string, node: YamlNode): void {
    if (node.kind !== 'list') throw this.fault(node, `the hosts of group "${group}" are no list`);
    for (const item of node.items) this.addHost(this.text(item, `a host of group "${group}"`), group, item);
  }

  private readChildren(group: string, node: YamlNode): void {
    if (node.kind !== 'list') throw this.fault(node, `the children of group "${group}" are no list`);
    for (const item of node.items) {
      const child = this.text(item, `a child of group "${group}"`);
      if (child === '') throw this.fault(item, 'a group has an empty name');
      this.graph.addGroup(child, this.place(item));
      this.graph.addChild(group, child, this.place(item));
    }
  }

  private addHost(name: string, group: string, node: YamlNode): void {
    this.graph.addHost(name, group, this.place(node));
    this.hosts.add(name);
  }

  private setVariables(
    owner: string,
    variables: YamlMap,
    change = (value: InventoryValue): InventoryValue => value,
  ): void {
    for (const [name, node] of variables.entries) {
      this.graph.setVariable(owner, name, { value: change(valueOf(node)), ...this.place(node) });
    }
  }

  private mapping(node: YamlNode, what: string): YamlMap {
    if (node.kind !== 'map') throw this.fault(node, `${what} is no mapping`);
    return node;
  }

  private text(node: YamlNode, what: string): string {
    if (node.kind === 'scalar' && typeof node.value === 'string') return node.value;
    throw this.fault(node, `${what} is no text`);
  }

  private place({ line }: YamlNode): { readonly file: string; readonly line: number } {
    return { file: this.source, line };
  }

  private fault(node: YamlNode, message: string): BackupError {
    return inventoryFault(this.place(node), message);
  }
}

/** Ansible makes no templates of variables that are given in this way. */
function withoutTemplates(value: InventoryValue): InventoryValue {
  if (typeof value === 'string') return { __ansible_unsafe: value };
  if (isList(value)) return value.map(withoutTemplates);
  if (!isMapping(value) || value instanceof VaultValue) return value;
  if (typeof value.__ansible_unsafe === 'string') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutTemplates(item)]));
}
