import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { systemReason } from '../../model/system-errors.js';
import { mayBeNamed } from '../inventory/inventory-text.js';
import { type LambdaStackDocument, parseDocuments, syntaxFault } from './parse-documents.js';
import { readText } from './read-text.js';

const backupKind = 'configuration/backup';
/** What LambdaStack writes into every document, and what its backup adds. Source: its schema/common/defaults/configuration/backup.yml. */
const documentKeys = new Set(['kind', 'title', 'name', 'provider', 'version', 'specification']);
const specificationKeys = new Set(['components', 'provider']);

/** A LambdaStack document of `kind: configuration/backup`: which components to save. */
export interface BackupDocument {
  /** As it was named. */
  readonly file: string;
  /** LambdaStack's names of components (`load_balancer`), in the order of the file. */
  readonly components: ReadonlyMap<string, ComponentEntry>;
  /** What is in it and is not used, one sentence each. */
  readonly warnings: readonly string[];
}

export interface ComponentEntry {
  /** Line of the file, from 1. */
  readonly line: number;
  /** Undefined where the document does not say. */
  readonly enabled: boolean | undefined;
  /** All other keys, with the line of each. The values may be secret. */
  readonly options: ReadonlyMap<string, { readonly value: unknown; readonly line: number }>;
}

/**
 * Reads the document of a backup from a file, which may hold others too, as LambdaStack's own cluster files do.
 * Throws CONFIG_INVALID, with file and line, for a file that cannot be read, is no YAML, or has no such document or several; and for
 * an `enabled` that is neither true nor false. Unknown keys are warnings.
 */
export async function readBackupDocument(file: string): Promise<BackupDocument> {
  const text = await readText(file).catch((cause: unknown) => {
    throw new BackupError('CONFIG_INVALID', `cannot read ${file}: ${systemReason(cause)}`, { cause });
  });
  const { documents, repeatedKeys } = parseDocuments(file, text, [backupKind]);
  const document = onlyBackup(file, text, documents);
  const specification = mapping(file, document, { value: document.contents(), path: ['specification'] });
  const components = mapping(file, document, { value: specification, path: ['specification', 'components'] });
  const entries = Object.keys(components).map((name) => [name, entryOf(file, document, { components, name })] as const);
  const unknown = unknownKeys(document, specification);
  const warnings = [
    ...repeatedKeys.map((line) => `${file}:${line}: a key comes twice; the last one counts`),
    ...(unknown.length === 0 ? [] : [`${file} has keys that mean nothing to lsbackup: ${nameList(unknown)}`]),
  ];
  return { file, components: new Map(entries), warnings };
}

function onlyBackup(file: string, text: string, documents: readonly LambdaStackDocument[]): LambdaStackDocument {
  const [document, second] = documents;
  if (document === undefined)
    throw (
      syntaxFault(file, text) ??
      new BackupError('CONFIG_INVALID', `${file}:1: no document here has "kind: ${backupKind}"`, {
        hint: `-f takes LambdaStack's backup.yml; lsbackup's own configuration file goes with -c.`,
      })
    );
  if (second !== undefined)
    throw new BackupError('CONFIG_INVALID', `${file}:${second.line}: a second document of "kind: ${backupKind}"`, {
      hint: `Keep one of them; the first is at line ${document.line}.`,
    });
  return document;
}

/** The mapping at the end of the path, whose last key is in `value`. */
function mapping(
  file: string,
  document: LambdaStackDocument,
  { value, path }: { readonly value: Readonly<Record<string, unknown>>; readonly path: readonly string[] },
): Readonly<Record<string, unknown>> {
  const found = value[path.at(-1) ?? ''];
  if (isMapping(found)) return found;
  throw new BackupError('CONFIG_INVALID', `${file}:${document.lineOf(path)}: ${shown(path)} must be a mapping`);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function entryOf(
  file: string,
  document: LambdaStackDocument,
  { components, name }: { readonly components: Readonly<Record<string, unknown>>; readonly name: string },
): ComponentEntry {
  const path = ['specification', 'components', name];
  const line = document.lineOf(path);
  if (components[name] === null) return { line, enabled: undefined, options: new Map() };
  const { enabled, ...others } = mapping(file, document, { value: components, path });
  if (enabled !== undefined && typeof enabled !== 'boolean')
    throw new BackupError(
      'CONFIG_INVALID',
      `${file}:${document.lineOf([...path, 'enabled'])}: ${shown([...path, 'enabled'])} must be true or false`,
    );
  const options = Object.entries(others).map(
    ([key, value]) => [key, { value, line: document.lineOf([...path, key]) }] as const,
  );
  return { line, enabled, options: new Map(options) };
}

/** A key in its place; of one that is not written as names are nothing: it may be a value that lost its quotes. */
function shown(path: readonly string[]): string {
  return path.every((key) => mayBeNamed(key)) ? path.join('.') : 'a key';
}

function unknownKeys(document: LambdaStackDocument, specification: Readonly<Record<string, unknown>>): string[] {
  const paths = [
    ...Object.keys(document.contents()).flatMap((key) => (documentKeys.has(key) ? [] : [[key]])),
    ...Object.keys(specification).flatMap((key) => (specificationKeys.has(key) ? [] : [['specification', key]])),
  ];
  return paths.map((path) => `${shown(path)} (line ${document.lineOf(path)})`);
}
