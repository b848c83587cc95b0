import { BackupError } from '../../../model/errors.js';
import { numberText, PythonFloat } from '../../python/python-number.js';
import type { YamlNode } from '../ansible-yaml.js';
import { ForeignValue } from '../inventory.js';
import { MergedPairs, tagOfScalar } from './merged-pairs.js';
import type { Pair } from './merged-pairs.js';
import type { MappingNode, ScalarNode, SequenceNode, TreeNode } from './tree-node.js';
import { implicitTag, scalarValue } from './scalar-values.js';
import type { ScalarTag, ScalarValue } from './scalar-values.js';

const standard = 'tag:yaml.org,2002:';
const scalarTags: readonly (string | undefined)[] = [
  'null',
  'bool',
  'int',
  'float',
  'timestamp',
  'binary',
  'str',
] satisfies ScalarTag[];
/** Ansible knows these too; nobody has a use for them in an inventory. */
const unsupported: readonly string[] = ['omap', 'pairs'];
const knownTags: readonly (string | undefined)[] = [...scalarTags, 'seq', 'map', 'set', 'merge', 'value'];

interface Typed {
  readonly tag: ScalarTag;
  readonly value: ScalarValue;
}

/** A key of a mapping: as it is printed, and what makes it equal to another. */
interface Key {
  readonly name: string;
  readonly value: ScalarValue;
  readonly identity: string;
  readonly isText: boolean;
}

/**
 * Values of a YAML file's nodes, by their tags; behaviour of ansible-core 2.19 on PyYAML. Messages never quote the text: it may be a
 * password. Throws INVENTORY_SYNTAX for tags and values that Ansible refuses, INVENTORY_UNSUPPORTED for `!!omap`, `!!pairs`.
 */
export class NodeBuilder {
  readonly warnings: string[] = [];
  private readonly pairs: MergedPairs;
  /** What aliases stand for is built once, as in PyYAML, and warned of once. */
  private readonly built = new Map<TreeNode, YamlNode>();

  constructor(private readonly file: string) {
    this.pairs = new MergedPairs(file);
  }

  /** In an `unsafe` node text is marked as never a template. */
  node(node: TreeNode, unsafe = false): YamlNode {
    const known = this.built.get(node);
    if (known !== undefined) return known;
    const found = this.build(node, unsafe);
    this.built.set(node, found);
    return found;
  }

  private build(node: TreeNode, unsafe: boolean): YamlNode {
    const { tag } = node;
    if (tag === '!unsafe') return this.node(withoutTag(node), true);
    if (tag === '!vault' || tag === '!vault-encrypted') return this.vault(node);
    const kind = tag === undefined ? undefined : this.standardTag(tag, node.line);
    if (node.kind === 'scalar') return this.scalar(node, kind, unsafe);
    if (node.kind === 'sequence') return this.sequence(node, kind, unsafe);
    return kind === 'set' ? this.set(node, unsafe) : this.mapping(node, kind, unsafe);
  }

  private standardTag(tag: string, line: number): string {
    const kind = tag.startsWith(standard) ? tag.slice(standard.length) : undefined;
    if (kind !== undefined && knownTags.includes(kind)) return kind;
    if (kind === undefined || !unsupported.includes(kind)) throw this.fault(line, unknownTag(tag));
    throw new BackupError(
      'INVENTORY_UNSUPPORTED',
      `${this.file}:${line}: a value with the tag !!${kind} is not supported`,
    );
  }

  /** The tag makes even quoted text a number where it looks like one, and then it is no text that could be encrypted. */
  private vault(node: TreeNode): YamlNode {
    if (node.kind !== 'scalar' || implicitTag(node.text) !== 'str')
      throw this.fault(node.line, 'a value with the tag !vault is not text');
    return { kind: 'vault', line: node.line, text: node.text };
  }

  private scalar(node: ScalarNode, kind: string | undefined, unsafe: boolean): YamlNode {
    const { value } = this.typed(node, kind);
    const shown = unsafe && typeof value === 'string' ? { __ansible_unsafe: value } : value;
    return { kind: 'scalar', line: node.line, value: shown };
  }

  private typed(node: ScalarNode, kind: string | undefined): Typed {
    const tag = kind ?? tagOfScalar(node);
    if (!isScalarTag(tag)) {
      const hint = node.tag === undefined ? 'put quotes around it' : 'it is a single value';
      throw this.fault(node.line, `a value cannot be of the type ${tag}: ${hint}`);
    }
    const value = scalarValue(tag, node.text);
    if (value === undefined) throw this.fault(node.line, `a value does not fit its type, which is ${tag}`);
    return { tag, value };
  }

  private sequence(node: SequenceNode, kind: string | undefined, unsafe: boolean): YamlNode {
    if (kind !== undefined && kind !== 'seq') throw this.fault(node.line, `a list has the tag !!${kind}`);
    return { kind: 'list', line: node.line, items: node.items.map((item) => this.node(item, unsafe)) };
  }

  private mapping(node: MappingNode, kind: string | undefined, unsafe: boolean): YamlNode {
    if (kind !== undefined && kind !== 'map') throw this.fault(node.line, `a mapping has the tag !!${kind}`);
    const entries = new Map<string, YamlNode>();
    const otherKeys = new Set<string>();
    for (const { key, value } of this.distinct(node, unsafe)) {
      entries.set(key.name, value);
      if (!key.isText) otherKeys.add(key.name);
    }
    return { kind: 'map', line: node.line, entries, otherKeys };
  }

  /** Python's sets have no order; here it is the one in which they are written. */
  private set(node: MappingNode, unsafe: boolean): YamlNode {
    const items = this.distinct(node, unsafe).map(({ key, value: { line } }): YamlNode => {
      return { kind: 'scalar', line, value: unsafe && key.isText ? { __ansible_unsafe: key.name } : key.value };
    });
    return { kind: 'list', line: node.line, items };
  }

  /** Python keeps the first of equal keys, where it was, and the last of their values: 1, 1.0 and true are equal. */
  private distinct(node: MappingNode, unsafe: boolean): readonly { readonly key: Key; readonly value: YamlNode }[] {
    const { inherited, own } = this.pairs.of(node);
    const found = new Map<string, { readonly key: Key; readonly value: YamlNode }>();
    const ownLines = new Map<string, number>();
    const add = ([keyNode, valueNode]: Pair): Key => {
      const key = this.key(keyNode);
      const value = { ...this.node(valueNode, unsafe), line: keyNode.line };
      found.set(key.identity, { key: found.get(key.identity)?.key ?? key, value });
      return key;
    };
    inherited.forEach(add);
    for (const pair of own) this.noteOwn(add(pair), pair[0].line, ownLines);
    return [...found.values()];
  }

  private noteOwn({ identity }: Key, line: number, lines: Map<string, number>): void {
    const first = lines.get(identity);
    lines.set(identity, line);
    if (first === undefined) return;
    this.warnings.push(
      `${this.file}:${line}: a key is there a second time (first in line ${first}); the last one counts`,
    );
  }

  private key(node: TreeNode): Key {
    if (node.kind === 'scalar' && node.tag === '!unsafe') return this.key(withoutTag(node));
    if (node.kind !== 'scalar' || node.tag === '!vault' || node.tag === '!vault-encrypted') {
      throw this.fault(node.line, 'a key is neither text nor a number');
    }
    // "=" is a type of its own in YAML 1.1, but text as a key.
    const { tag, value } = tagOfScalar(node) === 'value' ? textOf(node) : this.typedKey(node);
    if (tag === 'str') return { name: node.text, value, identity: JSON.stringify(value), isText: true };
    if (!isKey(value)) throw this.fault(node.line, 'a key is neither text nor a number');
    const name = value instanceof PythonFloat ? numberText(value) : String(value);
    return { name, value, identity: value === null ? name : numberIdentity(value), isText: false };
  }

  private typedKey(node: ScalarNode): Typed {
    return this.typed(node, node.tag === undefined ? undefined : this.standardTag(node.tag, node.line));
  }

  private fault(line: number, message: string): BackupError {
    return new BackupError('INVENTORY_SYNTAX', `${this.file}:${line}: ${message}`);
  }
}

/** The tag is not named: it may be a password without quotes. */
function unknownTag(tag: string): string {
  const written = tag.replace(standard, '!').toLowerCase();
  const meant = ['!vault', '!unsafe'].find((known) => known === written);
  if (meant !== undefined) return `a tag is not known: ${meant} is written so, with one "!" and in small letters`;
  return 'a tag is not known: put quotes around a value that begins with "!"; Ansible has !vault and !unsafe';
}

function isScalarTag(tag: string | undefined): tag is ScalarTag {
  return scalarTags.includes(tag);
}

function textOf({ text }: ScalarNode): Typed {
  return { tag: 'str', value: text };
}

/** Below `!unsafe` the types are those of plain scalars, in quotes or not. */
function withoutTag<Node extends TreeNode>(node: Node): Node {
  return node.kind === 'scalar' ? { ...node, tag: undefined, plain: true } : { ...node, tag: undefined };
}

/** JSON has no infinity, and no times. */
function isKey(value: ScalarValue): value is number | bigint | PythonFloat | boolean | null {
  if (value instanceof PythonFloat) return Number.isFinite(value.value);
  return typeof value !== 'string' && !(value instanceof ForeignValue);
}

/** The same for 1, 1.0 and true. */
function numberIdentity(value: number | bigint | boolean | PythonFloat): string {
  if (typeof value === 'bigint') return String(value);
  const number = value instanceof PythonFloat ? value.value : Number(value);
  return Number.isInteger(number) ? String(BigInt(number)) : String(number);
}
