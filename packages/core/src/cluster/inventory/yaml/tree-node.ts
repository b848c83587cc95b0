/** A node of the file as it is written: tags, and which scalars are plain, are not interpreted yet. Aliases are the same object. */
export type TreeNode = ScalarNode | SequenceNode | MappingNode;

interface Written {
  /** From 1. */
  readonly line: number;
  /** In full, `tag:yaml.org,2002:int` for `!!int`; undefined for none. */
  readonly tag: string | undefined;
  /** Nodes in it, with itself, as often as aliases repeat them. */
  readonly size: number;
}
export interface ScalarNode extends Written {
  readonly kind: 'scalar';
  readonly text: string;
  /** Its text decides whether it is a number, a truth value and so on. */
  readonly plain: boolean;
}
export interface SequenceNode extends Written {
  readonly kind: 'sequence';
  readonly items: readonly TreeNode[];
}
export interface MappingNode extends Written {
  readonly kind: 'mapping';
  readonly pairs: readonly (readonly [key: TreeNode, value: TreeNode])[];
}

/** A list with its size. */
export function sequence(
  items: readonly TreeNode[],
  { line, tag }: { readonly line: number; readonly tag: string | undefined },
): SequenceNode {
  return { kind: 'sequence', items, line, tag, size: items.reduce((size, item) => size + item.size, 1) };
}

/** A mapping with its size. */
export function mapping(
  pairs: MappingNode['pairs'],
  { line, tag }: { readonly line: number; readonly tag: string | undefined },
): MappingNode {
  return {
    kind: 'mapping',
    pairs,
    line,
    tag,
    size: pairs.reduce((size, [key, value]) => size + key.size + value.size, 1),
  };
}
