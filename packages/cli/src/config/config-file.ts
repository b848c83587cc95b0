import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BackupError, systemReason, yamlProblem } from '@lsbackup/core/store';
import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { issueText, positionOf } from './positions.js';

/** More find no place beside what the components themselves hold on a connection (Limits in @lsbackup/core). */
const mostStreamsPerHost = 2;

const names = z.array(z.string().min(1));
const componentOptions = z.record(z.string(), z.record(z.string(), z.unknown()));

/** `lsbackup.yml`. Everything may be left out; a key that is not here is an error, because a misspelt one would silently do nothing. */
export const configSchema = z.strictObject({
  build_dir: z.string().min(1).optional(),
  inventory: names.optional(),
  target: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  only: names.optional(),
  skip: names.optional(),
  limit: names.optional(),
  limits: z
    .strictObject({
      memory_mib: z.int().min(32).optional(),
      streams_per_host: z.int().min(1).max(mostStreamsPerHost).optional(),
      dials: z.int().min(1).optional(),
      level: z.int().min(1).max(9).optional(),
      clean_up_seconds: z.int().min(1).max(86_400).optional(),
    })
    .optional(),
  /** Options of components, everywhere. */
  components: componentOptions.optional(),
  /** The same for the hosts that a list of patterns chooses, as `limit` does. */
  hosts: z.record(z.string(), componentOptions).optional(),
});
export type Config = z.infer<typeof configSchema>;

/**
 * Reads a configuration file; relative paths in it are relative to the file.
 * Errors: CONFIG_INVALID with file and line.
 */
export async function readConfig(file: string): Promise<Config> {
  const config = parseConfig(file, await readText(file));
  const base = dirname(resolve(file));
  const isPath = config.target !== undefined && !/^[a-z][a-z0-9+.-]*:/i.test(config.target);
  return {
    ...config,
    ...(config.limit && {
      limit: config.limit.map((list) => (list.startsWith('@') ? `@${resolve(base, list.slice(1))}` : list)),
    }),
    ...(config.inventory && { inventory: config.inventory.map((path) => resolve(base, path)) }),
    ...(config.build_dir === undefined ? {} : { build_dir: resolve(base, config.build_dir) }),
    ...(isPath && config.target !== undefined ? { target: resolve(base, config.target) } : {}),
  };
}

export function parseConfig(file: string, text: string): Config {
  const lines = new LineCounter();
  // Without the parser's own warnings, which go to standard error and quote keys.
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'error' });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    const line = syntaxError.linePos?.[0].line ?? 1;
    // Not as a cause: the parser's message quotes the line, which may hold a password.
    throw new BackupError('CONFIG_INVALID', `${file}:${line}: ${yamlProblem(syntaxError.code)}`);
  }
  const parsed = configSchema.safeParse(valueOf(document, file, lines) ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const { path, text: problem } = issueText(issue);
    return `${file}:${positionOf(document, lines, path)}: ${problem}`;
  });
  throw new BackupError('CONFIG_INVALID', problems.join('\n'), {
    hint: `known keys: ${Object.keys(configSchema.shape).join(', ')}`,
    cause: parsed.error,
  });
}

/** Errors: CONFIG_INVALID for aliases that mean nothing, or too much; the parser's own error quotes their names. */
function valueOf(document: Document, file: string, lines: LineCounter): unknown {
  try {
    return document.toJS();
  } catch {
    const line = unanchoredLine(document, lines);
    const problem =
      line === undefined ? '1: aliases (*name) are nested too deep' : `${line}: an alias (*name) has no anchor`;
    throw new BackupError('CONFIG_INVALID', `${file}:${problem}`);
  }
}

/** The line of the first alias that means nothing; undefined where there is none. */
function unanchoredLine(document: Document, lines: LineCounter): number | undefined {
  let line: number | undefined;
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return undefined;
      line = lines.linePos(alias.range?.[0] ?? 0).line;
      return visit.BREAK;
    },
  });
  return line;
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new BackupError('CONFIG_INVALID', `cannot read ${file}: ${systemReason(cause)}`, { cause });
  });
  if (!isUtf8(bytes)) throw new BackupError('CONFIG_INVALID', `cannot read ${file}: it is no UTF-8 text`);
  return bytes.toString('utf8');
}
