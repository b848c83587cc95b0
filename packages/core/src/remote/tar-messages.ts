import type { Warning } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { nameList } from '../model/name-list.js';
import type { TarPolicy } from './remote-host.js';

/** What one line of GNU tar's standard error says. Texts: GNU tar 1.23 to 1.35 under LC_ALL=C (create.c, misc.c, names.c). */
export type TarMessageKind = 'changed' | 'directory' | 'vanished' | 'shrank' | 'harmless' | 'summary' | 'unknown';

export interface TarMessage {
  readonly kind: TarMessageKind;
  /** The file it is about, unescaped; empty where the line names none. */
  readonly name: Buffer;
}

const linePrefix = /^(?:\S*\/)?(?:gnu|g)?tar: /;
const rules: readonly (readonly [RegExp, TarMessageKind])[] = [
  [/^file changed as we read it$/, 'changed'],
  [/^File removed before we read it$/, 'vanished'],
  [/^(?:Warning: )?Cannot (?:stat|open|readlink): No such file or directory$/, 'vanished'],
  [/^File shrank by \d+ bytes?; padding with zeros$/, 'shrank'],
  [/^(?:Warning: )?(?:socket|door) ignored$/, 'harmless'],
  [/^(?:directory|file) is on a different filesystem; not dumped$/, 'harmless'],
  [/^contains a cache directory tag/, 'harmless'],
  [/^file is unchanged; not dumped$/, 'harmless'],
];
const nameless: readonly (readonly [RegExp, TarMessageKind])[] = [
  [/^Exiting with failure status due to previous errors$/, 'summary'],
  [/^Removing leading `.*' from (?:member names|hard link targets)$/, 'harmless'],
];
const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  ':': 58,
  '"': 34,
  ' ': 32,
};
const shownNames = 10;
const noName = Buffer.alloc(0);
/** More names than this are not kept for somebody else to judge: so many changes fail the stream. */
const maximumToJudge = 1000;

/** Reads one line of tar's standard error, without its line break. */
export function parseTarMessage(line: string): TarMessage {
  const prefix = linePrefix.exec(line);
  if (!prefix) return { kind: 'unknown', name: noName };
  const text = line.slice(prefix[0].length);
  for (const [pattern, kind] of nameless) if (pattern.test(text)) return { kind, name: noName };
  for (const [name, message] of splits(text)) {
    for (const [pattern, kind] of rules) if (pattern.test(message)) return { kind, name: unescapeName(name) };
  }
  return { kind: 'unknown', name: noName };
}

/** tar shows special characters of a name as C escapes and three-digit octal, and a colon as `\:`. */
export function unescapeName(shown: string): Buffer {
  const pieces: Buffer[] = [];
  for (const piece of shown.matchAll(/\\([0-3][0-7]{2})|\\(.)|([^\\]+|\\)/gs)) {
    const [, octal, escape, plain] = piece;
    if (octal !== undefined) pieces.push(Buffer.from([Number.parseInt(octal, 8)]));
    else if (escape !== undefined) pieces.push(escapedByte(escape));
    else pieces.push(Buffer.from(plain ?? ''));
  }
  return Buffer.concat(pieces);
}

/** Classifies tar's standard error line by line as it comes; memory is bounded whatever tar says. */
export class TarJudge {
  readonly #policy: TarPolicy;
  readonly #leavesChanges: boolean;
  readonly #toJudge: string[] = [];
  readonly #counts: Record<TarMessageKind, number> = {
    changed: 0,
    directory: 0,
    vanished: 0,
    shrank: 0,
    harmless: 0,
    summary: 0,
    unknown: 0,
  };
  /** Of `mustStay`, what vanished. */
  readonly #lost = new Set<string>();
  readonly #examples = new Map<TarMessageKind, string[]>();
  #rest = '';

  /** `isAsked`: what changed and must not, unless it is a directory, is for somebody else to judge, who knows which are directories. */
  constructor(policy: TarPolicy, isAsked = false) {
    this.#policy = policy;
    this.#leavesChanges = isAsked && !policy.mayChange;
  }

  /** With a verdict that is no error: the names of what changed, for whoever asked to judge them (StreamOptions.changed). */
  get toJudge(): readonly string[] {
    return this.#toJudge;
  }

  add(chunk: Buffer): void {
    // latin1 keeps a character that was split between two chunks whole; `#line` decodes.
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-64 * 1024);
    for (const line of lines) this.#line(line);
  }

  /**
   * The warnings of a usable archive; otherwise the error: TAR_SHRANK when a file lost bytes while it was read (tar fills the hole
   * with zeros), TAR_FAILED for anything the policy does not allow.
   */
  verdict(status: number, where: { readonly host: string; readonly what: string }): BackupError | readonly Warning[] {
    if (this.#rest !== '') this.#line(this.#rest);
    this.#rest = '';
    if (this.#counts.shrank > 0) {
      return new BackupError(
        'TAR_SHRANK',
        `${where.host}: ${this.#names('shrank')} was truncated while being read, the copy is not usable.`,
        {
          host: where.host,
          hint: 'Run the backup again when nothing truncates the file.',
          retryable: true,
        },
      );
    }
    const problem = this.#loss() ?? this.#problem(status);
    if (problem === undefined) return this.#warnings();
    return new BackupError('TAR_FAILED', `${where.host}: ${where.what} ended with status ${status}: ${problem}`, {
      host: where.host,
    });
  }

  #loss(): string | undefined {
    if (this.#lost.size === 0) return undefined;
    return `vanished before it was read: ${nameList([...this.#lost])}`;
  }

  #problem(status: number): string | undefined {
    const { changed, directory, vanished, unknown } = this.#counts;
    if (changed > this.#toJudge.length && !this.#policy.mayChange)
      return `changed while being read: ${this.#names('changed')}`;
    if (vanished > 0 && !this.#policy.mayVanish) return `vanished before it was read: ${this.#names('vanished')}`;
    if (status === 0) return undefined;
    if (unknown > 0) return this.#names('unknown');
    if (status === 1 && changed + directory + vanished > 0) return undefined;
    if (status === 2 && vanished > 0) return undefined;
    return 'no reason given';
  }

  #warnings(): readonly Warning[] {
    const warnings: Warning[] = [];
    if (this.#counts.changed > 0 && !this.#leavesChanges)
      warnings.push({ code: 'FILE_CHANGED', message: `changed while being read: ${this.#names('changed')}` });
    if (this.#counts.vanished > 0)
      warnings.push({ code: 'FILE_VANISHED', message: `vanished before it was read: ${this.#names('vanished')}` });
    if (this.#counts.unknown > 0) warnings.push({ code: 'TAR_MESSAGE', message: this.#names('unknown') });
    return warnings;
  }

  /** Remembers which of the names that must stay is gone with this one. */
  #noteLoss(name: string): void {
    const { mustStay = [] } = this.#policy;
    const gone = name.replace(/\/$/, '');
    for (const name of mustStay) if (name === gone || name.startsWith(`${gone}/`)) this.#lost.add(name);
  }

  #line(line: string): void {
    if (line === '') return;
    const text = Buffer.from(line, 'latin1').toString();
    const message = parseTarMessage(text);
    const name = message.name.toString();
    // Entries came or went in the tree's own root. For directories below it tar's text is that of a file.
    const kind = message.kind === 'changed' && /^(?:\.|.*\/)$/.test(name) ? 'directory' : message.kind;
    this.#counts[kind] += 1;
    if (kind === 'vanished') this.#noteLoss(name);
    if (kind === 'changed' && this.#leavesChanges && this.#toJudge.length < maximumToJudge)
      this.#toJudge.push(message.name.toString('latin1'));
    const examples = this.#examples.get(kind) ?? [];
    if (examples.length < shownNames) examples.push(name === '' ? text.slice(0, 500) : name);
    this.#examples.set(kind, examples);
  }

  #names(kind: TarMessageKind): string {
    const examples = this.#examples.get(kind) ?? [];
    return nameList(examples, this.#counts[kind]);
  }
}

/** Every way to cut the text into a name and a message; a colon in a name is escaped, older versions do not. */
function* splits(text: string): Generator<readonly [string, string]> {
  for (let at = text.indexOf(': '); at >= 0; at = text.indexOf(': ', at + 1))
    yield [text.slice(0, at), text.slice(at + 2)];
}

function escapedByte(escape: string): Buffer {
  const byte = simpleEscapes[escape];
  return byte === undefined ? Buffer.from(`\\${escape}`) : Buffer.from([byte]);
}
