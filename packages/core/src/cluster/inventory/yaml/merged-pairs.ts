import { BackupError } from '../../../model/errors.js';
import type { MappingNode, ScalarNode, TreeNode } from './tree-node.js';
import { implicitTag } from './scalar-values.js';
import type { ScalarTag } from './scalar-values.js';

/** What `<<` may bring into mappings in all; merges of merges grow without end. */
const maximumPairs = 2_000_000;

export type Pair = readonly [key: TreeNode, value: TreeNode];

export interface Pairs {
  /** From `<<`, the ones that count least first. */
  readonly inherited: readonly Pair[];
  readonly own: readonly Pair[];
}

/** The pairs of mappings with what their merge keys `<<` bring in. Source: YAML 1.1 merge key type, as PyYAML has it. */
export class MergedPairs {
  private readonly known = new Map<MappingNode, Pairs>();
  private count = 0;

  constructor(private readonly file: string) {}

  /** Throws INVENTORY_SYNTAX when `<<` has what is no mapping, or when merges multiply. */
  of(node: MappingNode): Pairs {
    if (!node.pairs.some(([key]) => isMerge(key))) return { inherited: [], own: node.pairs };
    const known = this.known.get(node);
    if (known !== undefined) return known;
    const inherited: Pair[] = [];
    const own: Pair[] = [];
    for (const [key, value] of node.pairs) {
      if (isMerge(key)) this.addAll(inherited, value);
      else own.push([key, value]);
    }
    const pairs = { inherited, own };
    this.known.set(node, pairs);
    return pairs;
  }

  /** Of a list of mappings the first one counts most. */
  private addAll(pairs: Pair[], merged: TreeNode): void {
    for (const node of merged.kind === 'sequence' ? merged.items.toReversed() : [merged]) {
      if (node.kind !== 'mapping')
        throw this.fault(node.line, 'the value of "<<" is neither a mapping nor a list of mappings');
      const { inherited, own } = this.of(node);
      this.count += inherited.length + own.length;
      if (this.count > maximumPairs) throw this.fault(node.line, `"<<" brings in more than ${maximumPairs} values`);
      for (const pair of inherited) pairs.push(pair);
      for (const pair of own) pairs.push(pair);
    }
  }

  private fault(line: number, message: string): BackupError {
    return new BackupError('INVENTORY_SYNTAX', `${this.file}:${line}: ${message}`);
  }
}

function isMerge(key: TreeNode): boolean {
  return key.kind === 'scalar' && tagOfScalar(key) === 'merge';
}

/** The tag of a scalar without one of its own. */
export function tagOfScalar(node: ScalarNode): ScalarTag | undefined {
  if (node.tag === 'tag:yaml.org,2002:merge') return 'merge';
  if (node.tag !== undefined) return undefined;
  return node.plain ? implicitTag(node.text) : 'str';
}
