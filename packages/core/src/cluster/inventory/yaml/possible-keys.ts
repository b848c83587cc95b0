import type { TextCursor } from './text-cursor.js';

/** A key before `:` is in one line and no longer than this. */
const maximumKeyLength = 1024;
/** What may turn out to be a key, once a `:` follows. */
export interface PossibleKey {
  /** Place among the tokens. */
  readonly place: number;
  readonly position: number;
  readonly column: number;
  readonly line: number;
  /** At the indentation of a mapping, where nothing else can be. */
  readonly required: boolean;
}

/** The place where a key may have begun, in the block and in each `[` and `{` that is open. */
export class PossibleKeys {
  private readonly levels: (PossibleKey | undefined)[] = [undefined];

  constructor(private readonly cursor: TextCursor) {}

  get flowLevel(): number {
    return this.levels.length - 1;
  }

  openFlow(): void {
    this.levels.push(undefined);
  }

  closeFlow(): void {
    if (this.flowLevel > 0) this.levels.pop();
  }

  /** Notes that a key may begin here; `place` is that of the next token. Throws INVENTORY_SYNTAX like `drop`. */
  note(place: number, required: boolean): void {
    this.drop();
    const { position, column, line } = this.cursor;
    this.levels[this.flowLevel] = { place, position, column, line, required };
  }

  /** Something came that no key can go on with. Throws INVENTORY_SYNTAX when a key had to be there. */
  drop(): void {
    const key = this.levels[this.flowLevel];
    if (key?.required) throw this.cursor.fault('this is no key: a ":" with a space after it is missing', key.line);
    this.forget();
  }

  forget(): void {
    this.levels[this.flowLevel] = undefined;
  }

  /** The key that a `:` here ends; undefined when there is none. Throws INVENTORY_SYNTAX like `drop`. */
  valid(): PossibleKey | undefined {
    const key = this.levels[this.flowLevel];
    if (key === undefined) return undefined;
    const { line, position } = this.cursor;
    if (key.line === line && position - key.position <= maximumKeyLength) return key;
    this.drop();
    return undefined;
  }
}
