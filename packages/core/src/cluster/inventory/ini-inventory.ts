import type { BackupError } from '../../model/errors.js';
import { inventoryFault, InventoryGraph } from './inventory-graph.js';
import type { ResolvedInventory } from './inventory-graph.js';
import type { InventoryValue, Place } from './inventory.js';
import { expandHostWord, longName, maximumNameLength } from './host-names.js';
import type { ExpandedHosts } from './host-names.js';
import { named, placeIn } from './inventory-text.js';
import type { InventoryText } from './inventory-text.js';
import { UnusableLiteral } from '../python/python-literal-errors.js';
import { evaluateLiteral } from '../python/python-literal.js';
import { strip, whitespaceClass, wordClass } from '../python/python-text.js';
import { splitShellWords } from '../python/shell-words.js';

const comment = `[${whitespaceClass}]*(?:#.*)?$`;
const sectionHeader = new RegExp(`^\\[([^:\\]${whitespaceClass}]+)(?::([${wordClass}]+))?\\]${comment}`, 'u');
const groupLine = new RegExp(`^([^:\\]${whitespaceClass}]+)${comment}`, 'u');

type SectionKind = 'hosts' | 'children' | 'vars';

interface Section {
  readonly group: string;
  readonly kind: SectionKind;
}

/** A group that is spoken of before any section declares it. */
interface Undeclared {
  readonly line: number;
  readonly kind: 'children' | 'vars';
  /** Groups that want it as a child, with the line that says so. */
  readonly parents: (readonly [string, number])[];
}

/**
 * Reads an inventory in Ansible's INI grammar into the graph; behaviour of ansible-core 2.19, its differences are listed at
 * `evaluateLiteral`. Sections are `[group]`, `[group:children]` and `[group:vars]`; lines before the first one are hosts of `ungrouped`.
 * `lines` are without their ends. Throws INVENTORY_SYNTAX with file and line; the graph is of no use then.
 */
export function readIniInventory(lines: readonly string[], source: InventoryText, graph: InventoryGraph): void {
  const reader = new IniReader(source, graph);
  for (const [index, text] of lines.entries()) reader.readLine(strip(text), index + 1);
  reader.finish();
}

/** One inventory in INI grammar that stands alone; as `readIniInventory`, then resolved. */
export function parseIniInventory(lines: readonly string[], file: string): ResolvedInventory {
  const graph = new InventoryGraph();
  readIniInventory(lines, { file, encrypted: false }, graph);
  return graph.resolve();
}

/** Messages quote nothing but names, and those only where a name stands: anything else may be a password. */
class IniReader {
  private readonly undeclared = new Map<string, Undeclared>();
  private section: Section = { group: 'ungrouped', kind: 'hosts' };

  constructor(
    private readonly source: InventoryText,
    private readonly graph: InventoryGraph,
  ) {}

  readLine(text: string, line: number): void {
    if (text === '' || text.startsWith('#') || text.startsWith(';')) return;
    this.refuseLongName(text, line);
    const header = sectionHeader.exec(text);
    if (header !== null) this.openSection(header[1] ?? '', header[2] ?? 'hosts', line);
    else if (text.startsWith('[') && text.endsWith(']')) {
      throw this.fault(
        line,
        'this is no section',
        'A section is [group], [group:children] or [group:vars], without spaces.',
      );
    } else if (this.section.kind === 'hosts') this.readHosts(text, line);
    else if (this.section.kind === 'children') this.readChild(text, line);
    else this.readVariable(text, line);
  }

  /** Of what regular expressions see: the first word of a host line is looked at where it is known. */
  private refuseLongName(text: string, line: number): void {
    const isHeader = text.startsWith('[');
    if (!isHeader && this.section.kind !== 'children') return;
    const end = isHeader ? text.indexOf(']') : -1;
    const name = (end === -1 ? text.length : end) - (isHeader ? '[:children'.length : 0);
    if (name > maximumNameLength) throw this.fault(line, longName);
  }

  finish(): void {
    for (const [name, { line }] of this.undeclared) {
      const hint = 'Add a section [group] of that name, which may be empty.';
      throw this.fault(line, `no section declares what is named here: ${named('group', name, this.source)}`, hint);
    }
  }

  private openSection(group: string, kind: string, line: number): void {
    if (!isSectionKind(kind)) {
      throw this.fault(
        line,
        'a section has an unknown type',
        'A section is [group], [group:children] or [group:vars].',
      );
    }
    this.section = { group, kind };
    if (kind === 'vars') {
      if (!this.graph.hasGroup(group) && !this.undeclared.has(group)) {
        this.undeclared.set(group, { line, kind, parents: [] });
      }
      this.graph.addGroup(group);
      return;
    }
    this.graph.addGroup(group);
    for (const [parent, parentLine] of this.undeclared.get(group)?.parents ?? []) {
      this.graph.addChild(parent, group, this.place(parentLine));
    }
    this.undeclared.delete(group);
  }

  private readHosts(text: string, line: number): void {
    const [pattern = '', ...assignments] = this.words(text, line);
    const { names, port } = this.expand(pattern, line);
    const variables = new Map<string, InventoryValue>();
    for (const [index, assignment] of assignments.entries()) {
      const equals = assignment.indexOf('=');
      if (equals === -1) {
        throw this.fault(line, `word ${index + 2} is not name=value`, 'Quote a value that has spaces.');
      }
      variables.set(assignment.slice(0, equals), this.value(assignment.slice(equals + 1), line));
    }
    for (const host of names) {
      this.graph.addHost(host, this.section.group, this.place(line), port);
      for (const [name, value] of variables) this.graph.setVariable(host, name, { value, ...this.place(line) });
    }
  }

  private readChild(text: string, line: number): void {
    const child = groupLine.exec(text)?.[1];
    if (child === undefined)
      throw this.fault(line, 'expected the name of a group and nothing else in a section [group:children]');
    const parent = this.section.group;
    const known = this.undeclared.get(child);
    if (this.graph.hasGroup(child)) this.graph.addChild(parent, child, this.place(line));
    else if (known !== undefined) known.parents.push([parent, line]);
    else this.undeclared.set(child, { line, kind: 'children', parents: [[parent, line]] });
  }

  private readVariable(text: string, line: number): void {
    const equals = text.indexOf('=');
    if (equals === -1) throw this.fault(line, 'expected name=value in a section [group:vars]');
    const value = this.value(strip(text.slice(equals + 1)), line);
    this.graph.setVariable(this.section.group, strip(text.slice(0, equals)), { value, ...this.place(line) });
  }

  private place(line: number): Place {
    return placeIn(this.source, line);
  }

  private fault(line: number, message: string, hint?: string): BackupError {
    return inventoryFault(this.place(line), message, hint);
  }

  private words(text: string, line: number): string[] {
    try {
      return splitShellWords(text, { comments: true });
    } catch (error) {
      throw this.fault(line, syntaxMessage(error));
    }
  }

  private expand(pattern: string, line: number): ExpandedHosts {
    try {
      return expandHostWord(pattern);
    } catch (error) {
      throw this.fault(line, syntaxMessage(error));
    }
  }

  private value(text: string, line: number): InventoryValue {
    try {
      return evaluateLiteral(text);
    } catch (error) {
      if (!(error instanceof UnusableLiteral)) throw error;
      throw this.fault(line, `the value has ${error.message}`, 'Quote a value that is meant as text.');
    }
  }
}

function isSectionKind(kind: string): kind is SectionKind {
  return kind === 'hosts' || kind === 'children' || kind === 'vars';
}

/** The message of a fault in what was read; anything else is a fault of the program and goes on. */
function syntaxMessage(error: unknown): string {
  if (error instanceof SyntaxError) return error.message;
  throw error;
}
