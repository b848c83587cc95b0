import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { Secret } from '@lsbackup/core';
import { BackupError } from '@lsbackup/core/store';
import { outputOf } from './password-script.js';

/** A file with a password in it, or a program that prints it. */
export interface PasswordFile {
  /** `~/` is expanded. */
  readonly file: string;
  /** What the password is for, for messages: `vault password`. */
  readonly what: string;
  /** Told to a program whose name ends in `-client`. */
  readonly label?: string | undefined;
}

export interface PasswordContext {
  readonly homeDirectory: string;
  readonly signal: AbortSignal;
}

/**
 * The password in a file, or that a program prints, without what Ansible strips around it. Errors: USAGE with the file; messages never quote
 * a password.
 */
export async function passwordFrom(source: PasswordFile, context: PasswordContext): Promise<Secret> {
  const { file: name, what } = source;
  const file = name.startsWith('~/') ? join(context.homeDirectory, name.slice(2)) : resolve(name);
  const bytes = await readPassword({ ...source, file }, context.signal);
  if (!isUtf8(bytes)) throw new BackupError('USAGE', `the ${what} of ${file} is not UTF-8 text`);
  const text = bytes.toString('utf8');
  if (text === '') throw new BackupError('USAGE', `the ${what} of ${file} is empty`);
  if (text.startsWith('$ANSIBLE_VAULT')) {
    throw new BackupError('USAGE', `the file of the ${what} ${file} is itself encrypted`, {
      hint: 'Decrypt it with ansible-vault, or give a program that prints the password.',
    });
  }
  const { Secret } = await import('@lsbackup/core');
  return new Secret(text);
}

/** As Ansible strips it: a file of all white space around, what a program prints of line ends only. */
async function readPassword({ file, what, label }: PasswordFile, signal: AbortSignal): Promise<Buffer> {
  const { content, executable } = await readFileOrProgram(file, what);
  if (!executable) return stripped(content, whiteSpace);
  if (!isProgram(content)) {
    throw new BackupError('USAGE', `the file of the ${what} ${file} is executable, but is no program`, {
      hint: 'Remove the executable bit, so that its text is the password; or begin a script with #!.',
    });
  }
  const isClient = basename(file, extname(file)).endsWith('-client');
  const parameters = isClient && label !== undefined ? ['--vault-id', label] : [];
  return stripped(await outputOf(file, parameters, signal), lineEnds);
}

async function readFileOrProgram(
  file: string,
  what: string,
): Promise<{ readonly content: Buffer; readonly executable: boolean }> {
  try {
    const stats = await stat(file);
    if (!stats.isFile()) throw new BackupError('USAGE', `the file of the ${what} ${file} is no regular file`);
    return { content: await readFile(file), executable: (stats.mode & 0o111) !== 0 };
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('USAGE', `cannot read the file of the ${what} ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

/** A text without `#!` would be run by the shell, which complains about it by quoting it: a password on the screen. */
function isProgram(content: Buffer): boolean {
  return content.toString('latin1', 0, 2) === '#!' || content.subarray(0, 4096).includes(0);
}

/** As Python's bytes.strip() has it. */
const whiteSpace = new Set([9, 10, 11, 12, 13, 32]);
const lineEnds = new Set([10, 13]);

function stripped(bytes: Buffer, around: ReadonlySet<number>): Buffer {
  const start = bytes.findIndex((byte) => !around.has(byte));
  const end = bytes.findLastIndex((byte) => !around.has(byte));
  return start === -1 ? Buffer.alloc(0) : bytes.subarray(start, end + 1);
}

function reasonOf(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message;
}
