/** The words of YAML's grammar. Those with `-start`, `block-end` and `key` come from indentation and from `:` as well as from signs. */
export type TokenKind =
  | 'directive'
  | 'document-start'
  | 'document-end'
  | 'stream-end'
  | 'block-sequence-start'
  | 'block-mapping-start'
  | 'block-end'
  | 'flow-sequence-start'
  | 'flow-sequence-end'
  | 'flow-mapping-start'
  | 'flow-mapping-end'
  | 'block-entry'
  | 'flow-entry'
  | 'key'
  | 'value'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'scalar';

export interface Token {
  readonly kind: TokenKind;
  /** From 1. */
  readonly line: number;
  /** Of a scalar its content, of an alias or anchor its name, of a tag the tag in full. */
  readonly text: string;
  /** A scalar without quotes and not a block: its text may be a number, a truth value and so on. */
  readonly plain: boolean;
}
