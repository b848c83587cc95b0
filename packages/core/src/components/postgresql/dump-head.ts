import type { Readable } from 'node:stream';
import { BackupError } from '../../model/errors.js';
import { pgCustomFormat, type ContentsEntry } from './pg-custom.js';
import { nameOf, statementsOf, wordsOf } from './sql-text.js';

/** What a dump says of its database, and of what must be there before it is loaded. */
export interface DumpHead {
  /** The database's name when it was dumped. */
  readonly name: string;
  readonly owner: string;
  /** What followed the name in CREATE DATABASE: encoding, locale, tablespace. */
  readonly createOptions: string;
  /** Settings, rights, comment and labels of the database itself, which pg_restore sets with `--create` only. They may hold secrets. */
  readonly statements: readonly string[];
  /** Roles that own something or are granted something in it. */
  readonly roles: readonly string[];
  readonly tablespaces: readonly string[];
  readonly extensions: readonly string[];
}

/** Entries of the database itself: in _tocEntryRequired (pg_backup_archiver.c) those that need `--create`. */
const ownKinds = new Set(['ACL', 'COMMENT', 'SECURITY LABEL']);

/**
 * Reads a pg_dump archive as far as its table of contents reaches, and closes it. Errors: FORMAT_INVALID, RESTORE_REFUSED when it has no
 * CREATE DATABASE, or one that is not UTF-8.
 */
export async function readDumpHead(stream: Readable, path: string): Promise<DumpHead> {
  const entries: ContentsEntry[] = [];
  const contents = { isRead: false };
  const check = pgCustomFormat({
    onEntry: (entry) => entries.push(entry),
    onContents: () => {
      contents.isRead = true;
    },
  }).check();
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    check.write(chunk);
    if (contents.isRead) return headOf(entries, path);
  }
  check.end();
  return headOf(entries, path);
}

function headOf(entries: readonly ContentsEntry[], path: string): DumpHead {
  const database = entries.find(({ kind }) => kind === 'DATABASE');
  const [, , word] = database === undefined ? [] : wordsOf(strict(database.definition, path));
  if (database === undefined || word === undefined)
    throw new BackupError('RESTORE_REFUSED', `${path} has no CREATE DATABASE`, {
      hint: 'Load it by hand with pg_restore.',
    });
  const create = strict(database.definition, path).trim().replace(/;$/, '');
  return {
    name: nameOf(word),
    owner: strict(database.owner, path),
    createOptions: create.slice(create.indexOf(word) + word.length).trim(),
    statements: entries.filter(isOfDatabase).flatMap(({ definition }) => statementsOf(strict(definition, path))),
    roles: unique([...entries.map(({ owner }) => loose(owner)), ...entries.flatMap(grantees)]),
    tablespaces: unique([...entries.map(({ tablespace }) => loose(tablespace)), ...tablespaceOf(create)]),
    extensions: unique(entries.filter(({ kind }) => kind === 'EXTENSION').map(({ tag }) => loose(tag))),
  };
}

function isOfDatabase({ kind, tag }: ContentsEntry): boolean {
  return kind === 'DATABASE PROPERTIES' || (ownKinds.has(kind) && loose(tag).startsWith('DATABASE '));
}

/** Whom rights are given to or taken from, and whose default rights they are. */
function grantees({ kind, definition }: ContentsEntry): readonly string[] {
  if (kind !== 'ACL' && kind !== 'DEFAULT ACL') return [];
  return statementsOf(loose(definition)).flatMap((statement) => {
    const words = wordsOf(statement);
    return words.flatMap((word, index) =>
      ['TO', 'FROM', 'ROLE', 'AUTHORIZATION'].includes(words[index - 1] ?? '') &&
      word !== 'PUBLIC' &&
      word !== 'DEFAULT'
        ? [nameOf(word)]
        : [],
    );
  });
}

function tablespaceOf(create: string): readonly string[] {
  const words = wordsOf(create);
  const at = words.indexOf('TABLESPACE');
  const word = at === -1 ? undefined : words[at + 2];
  return word === undefined ? [] : [nameOf(word)];
}

/** A value of CREATE DATABASE's options, such as `LOCALE`. */
export function createOption(options: string, key: string): string | undefined {
  const words = wordsOf(options);
  const at = words.indexOf(key);
  const value = at === -1 ? undefined : words[at + 2];
  return value?.startsWith("'") === true ? value.slice(1, -1).replaceAll("''", "'") : value;
}

/** For what is sent to the server. */
function strict(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new BackupError('RESTORE_REFUSED', `${path}: what it says of the database itself is not UTF-8`, {
      hint: 'Load it by hand with pg_restore --create.',
      cause,
    });
  }
}

/** For what is only looked for. In other encodings some names are not told. */
function loose(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  return text.includes('\uFFFD') ? '' : text;
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].filter((name) => name !== '').sort();
}
