import { PossibleKeys } from './possible-keys.js';
import type { PossibleKey } from './possible-keys.js';
import { scanBlockScalar } from './scan-block-scalar.js';
import { scanPlainScalar, scanQuotedScalar } from './scan-flow-scalar.js';
import { scanDirective, scanName, scanTag } from './scan-words.js';
import { TextCursor } from './text-cursor.js';
import type { Token, TokenKind } from './tokens.js';

/** Deeper files are made to do harm; Ansible fails at a few hundred. */
export const maximumDepth = 200;

/**
 * The tokens of a YAML text. Throws INVENTORY_SYNTAX with `file:line`.
 * Source: libyaml 0.2.5, with which Ansible reads (YAML 1.1, and where the two differ as libyaml does it); compared with it in
 * test/inventory.
 */
export function scanTokens(text: string, file: string): readonly Token[] {
  return new Scanner(new TextCursor(text, file)).scan();
}

class Scanner {
  private readonly tokens: Token[] = [];
  /** Column of the block collection that is open, -1 for none; those around it are in `outerIndents`. */
  private indent = -1;
  private readonly outerIndents: number[] = [];
  private readonly keys: PossibleKeys;
  private keyAllowed = true;

  constructor(private readonly cursor: TextCursor) {
    this.keys = new PossibleKeys(cursor);
  }

  scan(): readonly Token[] {
    for (;;) {
      this.skipToToken();
      this.closeBlocks(this.cursor.column);
      if (this.cursor.atEnd) break;
      this.scanToken();
    }
    this.closeBlocks(-1);
    this.keys.drop();
    this.add('stream-end');
    return this.tokens;
  }

  private get inFlow(): boolean {
    return this.keys.flowLevel > 0;
  }

  private add(kind: TokenKind, details: { text?: string; plain?: boolean; line?: number } = {}): void {
    const { text = '', plain = false, line = this.cursor.line } = details;
    this.tokens.push({ kind, line, text, plain });
  }

  /** Tabs are no indentation: they are white space only where no key can begin. */
  private skipToToken(): void {
    const { cursor } = this;
    for (;;) {
      if (cursor.column === 0) cursor.skipByteOrderMark();
      while (cursor.peek() === ' ' || (cursor.peek() === '\t' && (this.inFlow || !this.keyAllowed))) cursor.skip();
      if (cursor.peek() === '#') cursor.skipToBreak();
      if (!cursor.isBreak()) return;
      cursor.takeBreak();
      if (!this.inFlow) this.keyAllowed = true;
    }
  }

  private scanToken(): void {
    const { cursor, inFlow } = this;
    const character = cursor.peek();
    const isAlone = cursor.isBlankBreakOrEnd(1);
    if (cursor.column === 0 && character === '%') this.scanDirective();
    else if (cursor.isDocumentMark()) this.scanDocumentMark();
    else if (character === '[' || character === '{') this.openFlow(character);
    else if (character === ']' || character === '}') this.closeFlow(character);
    else if (character === ',') this.scanFlowEntry();
    else if (character === '-' && isAlone) this.scanBlockEntry();
    else if (character === '?' && (inFlow || isAlone)) this.scanKey();
    else if (character === ':' && (inFlow || isAlone)) this.scanValue();
    else if (character === '*' || character === '&' || character === '!') this.scanWord(character);
    else if ((character === '|' || character === '>') && !inFlow) this.scanBlock();
    else if (character === "'" || character === '"') this.scanQuoted();
    else if (this.beginsPlain(character)) this.scanPlain();
    else throw cursor.fault(unexpected(character));
  }

  private beginsPlain(character: string): boolean {
    if (character === '-') return !this.cursor.isBlank(1);
    if (character === '?' || character === ':') return !this.inFlow && !this.cursor.isBlankBreakOrEnd(1);
    return !'\t,[]{}#&*!|>\'"%@`'.includes(character);
  }

  private scanDirective(): void {
    this.closeBlocks(-1);
    this.keys.drop();
    this.keyAllowed = false;
    this.add('directive');
    scanDirective(this.cursor);
  }

  private scanDocumentMark(): void {
    this.closeBlocks(-1);
    this.keys.drop();
    this.keyAllowed = false;
    this.add(this.cursor.peek() === '-' ? 'document-start' : 'document-end');
    this.cursor.skip(3);
  }

  private openFlow(sign: string): void {
    this.notePossibleKey();
    this.keys.openFlow();
    if (this.keys.flowLevel > maximumDepth) throw this.tooDeep();
    this.keyAllowed = true;
    this.add(sign === '[' ? 'flow-sequence-start' : 'flow-mapping-start');
    this.cursor.skip();
  }

  private closeFlow(sign: string): void {
    this.keys.drop();
    this.keys.closeFlow();
    this.keyAllowed = false;
    this.add(sign === ']' ? 'flow-sequence-end' : 'flow-mapping-end');
    this.cursor.skip();
  }

  private scanFlowEntry(): void {
    this.keys.drop();
    this.keyAllowed = true;
    this.add('flow-entry');
    this.cursor.skip();
  }

  private scanBlockEntry(): void {
    if (!this.inFlow && !this.keyAllowed)
      throw this.cursor.fault('a list ("- ") begins where it cannot: put it in a line of its own');
    this.openBlock('block-sequence-start', this.cursor.column);
    this.keys.drop();
    this.keyAllowed = true;
    this.add('block-entry');
    this.cursor.skip();
  }

  private scanKey(): void {
    if (!this.inFlow && !this.keyAllowed) throw this.cursor.fault('a key ("? ") begins where it cannot');
    this.openBlock('block-mapping-start', this.cursor.column);
    this.keys.drop();
    this.keyAllowed = !this.inFlow;
    this.add('key');
    this.cursor.skip();
  }

  private scanValue(): void {
    const key = this.keys.valid();
    if (key === undefined) {
      if (!this.inFlow && !this.keyAllowed) {
        throw this.cursor.fault(
          'a ":" is where no key can be: put quotes around text that has ": " in it, or correct the indentation',
        );
      }
      this.openBlock('block-mapping-start', this.cursor.column);
      this.keyAllowed = !this.inFlow;
    } else {
      this.tokens.splice(key.place, 0, { kind: 'key', line: key.line, text: '', plain: false });
      this.openBlock('block-mapping-start', key.column, key);
      this.keys.forget();
      this.keyAllowed = false;
    }
    this.add('value');
    this.cursor.skip();
  }

  private scanWord(sign: string): void {
    this.notePossibleKey();
    this.keyAllowed = false;
    const { line } = this.cursor;
    if (sign === '!') this.add('tag', { text: scanTag(this.cursor, this.inFlow), line });
    else this.add(sign === '&' ? 'anchor' : 'alias', { text: scanName(this.cursor), line });
  }

  private scanBlock(): void {
    this.keys.drop();
    this.keyAllowed = true;
    const { line } = this.cursor;
    this.add('scalar', { text: scanBlockScalar(this.cursor, this.indent), line });
  }

  private scanQuoted(): void {
    this.notePossibleKey();
    this.keyAllowed = false;
    const { line } = this.cursor;
    this.add('scalar', { text: scanQuotedScalar(this.cursor), line });
  }

  private scanPlain(): void {
    this.notePossibleKey();
    this.keyAllowed = false;
    const { line } = this.cursor;
    const { text, endedLine } = scanPlainScalar(this.cursor, { indent: this.indent, inFlow: this.inFlow });
    if (endedLine) this.keyAllowed = true;
    this.add('scalar', { text, plain: true, line });
  }

  /** A block collection begins where something is further to the right; its token goes before the key that shows it. */
  private openBlock(kind: 'block-sequence-start' | 'block-mapping-start', column: number, key?: PossibleKey): void {
    if (this.inFlow || this.indent >= column) return;
    this.outerIndents.push(this.indent);
    if (this.outerIndents.length > maximumDepth) throw this.tooDeep();
    this.indent = column;
    const token = { kind, line: key?.line ?? this.cursor.line, text: '', plain: false };
    this.tokens.splice(key?.place ?? this.tokens.length, 0, token);
  }

  private closeBlocks(column: number): void {
    if (this.inFlow) return;
    while (this.indent > column) {
      this.add('block-end');
      this.indent = this.outerIndents.pop() ?? -1;
    }
  }

  private notePossibleKey(): void {
    if (!this.keyAllowed) return;
    this.keys.note(this.tokens.length, !this.inFlow && this.indent === this.cursor.column);
  }

  private tooDeep(): Error {
    return this.cursor.fault(`more than ${maximumDepth} lists and mappings are inside of each other`);
  }
}

function unexpected(character: string): string {
  if (character === '\t') return 'a tab is where the indentation needs spaces';
  return 'a value begins with a sign that YAML has another use for, as "%", "@" and "`": put quotes around it';
}
