import { BackupError } from '../../../model/errors.js';
import { maximumDepth, scanTokens } from './scanner.js';
import type { Token, TokenKind } from './tokens.js';
import { mapping, sequence } from './tree-node.js';
import type { TreeNode } from './tree-node.js';

/** Values that aliases may stand for in all: `*name` copies what `&name` marks, and copies of copies grow without end. */
const maximumCopies = 2_000_000;

/** Where a node stands. */
interface Context {
  readonly block: boolean;
  /** A list may stand at the column of its key. */
  readonly indentless: boolean;
}
const inBlock: Context = { block: true, indentless: false };
const afterKey: Context = { block: true, indentless: true };
const inFlow: Context = { block: false, indentless: false };

interface Properties {
  readonly line: number;
  readonly anchor: string | undefined;
  readonly tag: string | undefined;
}

/**
 * The one document of a YAML text, undefined when there is none. Throws INVENTORY_SYNTAX with `file:line`, also for a second document
 * and for aliases of what they are in or that multiply.
 * Source: libyaml's parser and PyYAML's composer, with which Ansible reads; compared with them in test/inventory.
 */
export function parseTree(text: string, file: string): TreeNode | undefined {
  return new TreeParser(scanTokens(text, file), file).document();
}

class TreeParser {
  private place = 0;
  private depth = 0;
  private copies = 0;
  /** Undefined while the node is being read. */
  private readonly anchors = new Map<string, TreeNode | undefined>();

  constructor(
    private readonly tokens: readonly Token[],
    private readonly file: string,
  ) {}

  document(): TreeNode | undefined {
    if (this.next().kind === 'stream-end') return undefined;
    const isExplicit = this.startDocument();
    const isEmpty = isExplicit && this.isAny(['document-start', 'document-end', 'directive', 'stream-end']);
    const node = isEmpty ? this.empty() : this.node(inBlock);
    while (this.take('document-end'));
    if (this.next().kind === 'stream-end') return node;
    const hint = this.isAny(['document-start', 'directive'])
      ? 'a second document begins, and only one is read'
      : 'something follows the value of the file: its indentation may be wrong';
    throw this.fault(hint);
  }

  private startDocument(): boolean {
    const hasDirective = this.take('directive');
    if (hasDirective && this.is('directive')) throw this.fault('there is a second directive');
    if (this.take('document-start')) return true;
    if (hasDirective) throw this.fault('a directive is not followed by a line "---"');
    return false;
  }

  private node(context: Context): TreeNode {
    if (this.is('alias')) return this.alias();
    const properties = this.properties();
    const { anchor, line } = properties;
    if (anchor === undefined) return this.content(context, properties);
    if (this.anchors.has(anchor)) throw this.fault('there is a second anchor ("&name") of the same name', line);
    this.anchors.set(anchor, undefined);
    const node = this.content(context, properties);
    this.anchors.set(anchor, node);
    return node;
  }

  private alias(): TreeNode {
    const { text, line } = this.advance();
    if (!this.anchors.has(text))
      throw this.fault(
        'an alias ("*name") has no anchor before it: put quotes around a value that begins with "*"',
        line,
      );
    const node = this.anchors.get(text);
    if (node === undefined) throw this.fault('an alias ("*name") stands for what it is in itself', line);
    this.copies += node.size;
    if (this.copies > maximumCopies) throw this.fault(`aliases stand for more than ${maximumCopies} values`, line);
    return node;
  }

  private properties(): Properties {
    const { line } = this.next();
    let anchor: string | undefined;
    let tag: string | undefined;
    for (;;) {
      if (anchor === undefined && this.is('anchor')) anchor = this.advance().text;
      else if (tag === undefined && this.is('tag')) tag = this.advance().text;
      else return { line, anchor, tag };
    }
  }

  private content(context: Context, properties: Properties): TreeNode {
    this.depth += 1;
    if (this.depth > maximumDepth)
      throw this.fault(`more than ${maximumDepth} lists and mappings are inside of each other`);
    const node = this.contentByKind(context, properties);
    this.depth -= 1;
    return node;
  }

  private contentByKind(context: Context, { anchor, tag, line }: Properties): TreeNode {
    if (context.indentless && this.is('block-entry')) return sequence(this.indentlessItems(), { line, tag });
    if (this.is('scalar')) {
      const { text, plain } = this.advance();
      // The tag "!" alone makes even quoted text a number where it looks like one, as PyYAML does it.
      return {
        kind: 'scalar',
        text,
        plain: tag === '!' || (plain && tag === undefined),
        tag: tag === '!' ? undefined : tag,
        line,
        size: 1,
      };
    }
    const ownTag = tag === '!' ? undefined : tag;
    if (this.take('flow-sequence-start')) return sequence(this.flowItems(), { line, tag: ownTag });
    if (this.take('flow-mapping-start')) return mapping(this.flowPairs(), { line, tag: ownTag });
    if (context.block && this.take('block-sequence-start')) return sequence(this.blockItems(), { line, tag: ownTag });
    if (context.block && this.take('block-mapping-start')) return mapping(this.blockPairs(), { line, tag: ownTag });
    if (anchor !== undefined || tag !== undefined)
      return { kind: 'scalar', text: '', plain: tag === undefined, tag: ownTag, line, size: 1 };
    throw this.fault(
      this.is('stream-end')
        ? 'the file ends where a value is missing'
        : 'a value is missing, or a sign is where none can be',
    );
  }

  private blockItems(): TreeNode[] {
    const items: TreeNode[] = [];
    while (this.take('block-entry')) {
      items.push(this.isAny(['block-entry', 'block-end']) ? this.empty() : this.node(inBlock));
    }
    if (!this.take('block-end')) throw this.fault('expected "- " or less indentation');
    return items;
  }

  private indentlessItems(): TreeNode[] {
    const items: TreeNode[] = [];
    while (this.take('block-entry')) {
      const isEmpty = this.isAny(['block-entry', 'key', 'value', 'block-end']);
      items.push(isEmpty ? this.empty() : this.node(inBlock));
    }
    return items;
  }

  private blockPairs(): [TreeNode, TreeNode][] {
    const pairs: [TreeNode, TreeNode][] = [];
    while (this.take('key')) {
      const key = this.blockPart();
      pairs.push([key, this.take('value') ? this.blockPart() : this.empty()]);
    }
    if (!this.take('block-end')) throw this.fault('expected a key, or the indentation is not that of the lines before');
    return pairs;
  }

  private blockPart(): TreeNode {
    return this.isAny(['key', 'value', 'block-end']) ? this.empty() : this.node(afterKey);
  }

  private flowItems(): TreeNode[] {
    const items: TreeNode[] = [];
    while (!this.take('flow-sequence-end')) {
      if (items.length > 0 && !this.take('flow-entry')) throw this.fault('expected "," or "]"');
      if (this.take('flow-sequence-end')) return items;
      items.push(this.is('key') ? this.singlePair() : this.node(inFlow));
    }
    return items;
  }

  /** `[key: value]`, which stands for a mapping with one entry. */
  private singlePair(): TreeNode {
    const { line } = this.advance();
    // Without a key libyaml loses its place, and Ansible refuses the file.
    if (this.isAny(['value', 'flow-entry', 'flow-sequence-end'])) throw this.fault('a key is missing');
    const key = this.node(inFlow);
    const value = this.take('value') ? this.flowPart('flow-sequence-end') : this.empty();
    return mapping([[key, value]], { line, tag: undefined });
  }

  private flowPairs(): [TreeNode, TreeNode][] {
    const pairs: [TreeNode, TreeNode][] = [];
    while (!this.take('flow-mapping-end')) {
      if (pairs.length > 0 && !this.take('flow-entry')) throw this.fault('expected "," or "}"');
      if (this.take('flow-mapping-end')) return pairs;
      const hasKey = this.take('key');
      const key = hasKey ? this.flowPart('flow-mapping-end') : this.node(inFlow);
      pairs.push([key, hasKey && this.take('value') ? this.flowPart('flow-mapping-end') : this.empty()]);
    }
    return pairs;
  }

  private flowPart(end: TokenKind): TreeNode {
    return this.isAny(['value', 'flow-entry', end]) ? this.empty() : this.node(inFlow);
  }

  private empty(): TreeNode {
    return { kind: 'scalar', text: '', plain: true, tag: undefined, line: this.next().line, size: 1 };
  }

  private next(): Token {
    const token = this.tokens[this.place];
    if (token === undefined) throw new BackupError('INTERNAL', 'read past the end of a YAML text');
    return token;
  }

  private advance(): Token {
    const token = this.next();
    this.place += 1;
    return token;
  }

  private is(kind: TokenKind): boolean {
    return this.next().kind === kind;
  }

  private isAny(kinds: readonly TokenKind[]): boolean {
    return kinds.includes(this.next().kind);
  }

  private take(kind: TokenKind): boolean {
    if (this.next().kind !== kind) return false;
    this.place += 1;
    return true;
  }

  private fault(message: string, line = this.next().line): BackupError {
    return new BackupError('INVENTORY_SYNTAX', `${this.file}:${line}: ${message}`);
  }
}
