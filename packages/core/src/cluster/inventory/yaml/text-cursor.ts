import { BackupError } from '../../../model/errors.js';

/** What may be in a YAML file at all. Source: libyaml, as Ansible uses it (YAML 1.1, 5.1 "Character Set"). */
const forbidden = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

const withoutBreak = /[^\n\r\x85\u2028\u2029]*/y;

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const nextLine = 0x85;
const lineSeparator = 0x2028;
const paragraphSeparator = 0x2029;
const byteOrderMark = 0xfeff;

/** The place in a text that is read from its beginning to its end, with line and column. */
export class TextCursor {
  position = 0;
  /** From 1. */
  line = 1;
  private lineStart = 0;

  /** Throws INVENTORY_SYNTAX for a character that no YAML file may have. `file` is for messages. */
  constructor(
    readonly text: string,
    private readonly file: string,
  ) {
    const found = forbidden.exec(text);
    if (found !== null) {
      const line = text.slice(0, found.index).split(/\r\n|[\r\n]/).length;
      throw this.fault('there is a control character, or one that is not Unicode', line);
    }
    // The one that begins the text takes no column.
    this.skipByteOrderMark();
    this.lineStart = this.position;
  }

  fault(message: string, line = this.line): BackupError {
    return new BackupError('INVENTORY_SYNTAX', `${this.file}:${line}: ${message}`);
  }

  /** From 0. */
  get column(): number {
    return this.position - this.lineStart;
  }

  get atEnd(): boolean {
    return this.position >= this.text.length;
  }

  /** The character `ahead` of here; empty at the end. */
  peek(ahead = 0): string {
    return this.text.charAt(this.position + ahead);
  }

  startsWith(text: string): boolean {
    return this.text.startsWith(text, this.position);
  }

  /** A space or a tab. */
  isBlank(ahead = 0): boolean {
    const code = this.text.charCodeAt(this.position + ahead);
    return code === space || code === tab;
  }

  isBreak(ahead = 0): boolean {
    return isBreakCode(this.text.charCodeAt(this.position + ahead));
  }

  isBreakOrEnd(ahead = 0): boolean {
    return this.position + ahead >= this.text.length || this.isBreak(ahead);
  }

  isBlankBreakOrEnd(ahead = 0): boolean {
    return this.isBlank(ahead) || this.isBreakOrEnd(ahead);
  }

  /** A line that begins or ends a document: `---` or `...`. */
  isDocumentMark(): boolean {
    return this.column === 0 && (this.startsWith('---') || this.startsWith('...')) && this.isBlankBreakOrEnd(3);
  }

  /** Goes over characters that are no line ends. */
  skip(count = 1): void {
    this.position += count;
  }

  /** Goes over what the sticky expression matches, which may be nothing. */
  skipRun(run: RegExp): void {
    run.lastIndex = this.position;
    if (run.test(this.text)) this.position = run.lastIndex;
  }

  skipBlanks(): void {
    while (this.isBlank()) this.position += 1;
  }

  skipToBreak(): void {
    this.skipRun(withoutBreak);
  }

  /** A byte order mark may begin a line. */
  skipByteOrderMark(): void {
    if (this.text.charCodeAt(this.position) === byteOrderMark) this.position += 1;
  }

  /** Goes over the line end, if there is one, and gives it as YAML reads it. */
  takeBreak(): string {
    const code = this.text.charCodeAt(this.position);
    if (!isBreakCode(code)) return '';
    this.position += code === carriageReturn && this.text.charCodeAt(this.position + 1) === lineFeed ? 2 : 1;
    this.line += 1;
    this.lineStart = this.position;
    return code === lineSeparator || code === paragraphSeparator ? String.fromCharCode(code) : '\n';
  }

  /** The text from `start` to here. */
  since(start: number): string {
    return this.text.slice(start, this.position);
  }
}

function isBreakCode(code: number): boolean {
  return (
    code === lineFeed ||
    code === carriageReturn ||
    code === nextLine ||
    code === lineSeparator ||
    code === paragraphSeparator
  );
}
