import { isMap, isNode, LineCounter, parseAllDocuments, type Document } from 'yaml';

import { BackupError } from '../../model/errors.js';
import { yamlProblem } from '../../model/yaml-syntax.js';

/** One document of a LambdaStack file. */
export interface LambdaStackDocument {
  /** Line of the file where it begins, from 1. */
  readonly line: number;
  /** Line of a key, or of the nearest key above that is there. */
  readonly lineOf: (path: readonly string[]) => number;
  /** All of it. Errors: CONFIG_INVALID for aliases that mean nothing, or too much. */
  readonly contents: () => Readonly<Record<string, unknown>>;
}

export interface LambdaStackFile {
  /** Those of the wanted kinds, in order. */
  readonly documents: readonly LambdaStackDocument[];
  /** Lines of keys that come twice; the last one counts, as in Ansible. */
  readonly repeatedKeys: readonly number[];
}

/**
 * Parses the documents of a file of LambdaStack that are of one of the kinds: YAML 1.1, as Ansible reads it. The others, which may be
 * large and hold passwords, are not looked at. Throws CONFIG_INVALID with `file:line`; what is said about the text never quotes it.
 */
export function parseDocuments(file: string, text: string, kinds: readonly string[]): LambdaStackFile {
  const found: LambdaStackFile[] = [];
  let line = 0;
  // A line that begins so begins a document, wherever it stands (YAML 1.1, 7.2). The mark stays with what follows.
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    if (kinds.some((kind) => part.includes(kind))) found.push(parsePart(part, { file, kinds, linesBefore: line }));
    line += part.split('\n').length - 1;
  }
  return {
    documents: found.flatMap(({ documents }) => documents),
    repeatedKeys: found.flatMap(({ repeatedKeys }) => repeatedKeys),
  };
}

/** What is wrong with the syntax of a file: CONFIG_INVALID with `file:line`; undefined where it is YAML. No word of it is quoted. */
export function syntaxFault(file: string, text: string): BackupError | undefined {
  const lines = new LineCounter();
  const options = { version: '1.1', lineCounter: lines, prettyErrors: false, logLevel: 'silent' } as const;
  const documents = parseAllDocuments(text, options);
  const errors = 'empty' in documents ? [] : documents.flatMap((document) => document.errors);
  const [error] = errors.filter(({ code }) => code !== 'DUPLICATE_KEY');
  return error && invalid(file, lines.linePos(error.pos[0]).line, yamlProblem(error.code));
}

interface Part {
  readonly file: string;
  readonly kinds: readonly string[];
  readonly linesBefore: number;
}

function parsePart(text: string, { file, kinds, linesBefore }: Part): LambdaStackFile {
  const counter = new LineCounter();
  const lineAt = (offset: number): number => linesBefore + counter.linePos(offset).line;
  const parsed = parseAllDocuments(text, {
    version: '1.1',
    lineCounter: counter,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const documents = 'empty' in parsed ? [] : parsed;
  const repeatedKeys: number[] = [];
  for (const error of documents.flatMap((document) => document.errors)) {
    const line = lineAt(error.pos[0]);
    if (error.code !== 'DUPLICATE_KEY') throw invalid(file, line, yamlProblem(error.code));
    repeatedKeys.push(line);
  }
  return { documents: documents.flatMap((document) => ofKind(document, { file, kinds, lineAt })), repeatedKeys };
}

function ofKind(
  document: Document.Parsed,
  { file, kinds, lineAt }: Pick<Part, 'file' | 'kinds'> & { readonly lineAt: (offset: number) => number },
): LambdaStackDocument[] {
  const kind = isMap(document.contents) ? document.get('kind') : undefined;
  if (typeof kind !== 'string' || !kinds.includes(kind)) return [];
  const lineOf = (path: readonly string[]): number => lineAt(offsetOf(document, path));
  const contents = (): Readonly<Record<string, unknown>> => {
    try {
      return document.toJS() as Record<string, unknown>;
    } catch {
      throw invalid(
        file,
        lineOf([]),
        'an alias (*name) of this document has no anchor, or aliases are nested too deep',
      );
    }
  };
  return [{ line: lineOf([]), lineOf, contents }];
}

function invalid(file: string, line: number, problem: string): BackupError {
  return new BackupError('CONFIG_INVALID', `${file}:${line}: ${problem}`);
}

function offsetOf(document: Document.Parsed, path: readonly string[]): number {
  let offset = document.contents?.range[0] ?? 0;
  let node: unknown = document.contents;
  for (const key of path) {
    const pair = isMap(node) ? node.items.find((item) => String(item.key) === key) : undefined;
    if (pair === undefined || !isNode(pair.key)) break;
    offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return offset;
}
