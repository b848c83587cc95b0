import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { Secret } from '@lsbackup/core';
import { BackupError } from '@lsbackup/core/store';
import { outputOf } from './password-script.js';

/** A file with a password in it, or a program that prints one. */
export interface PasswordFile {
  /** As the user named it: `~/` is the home directory, a relative path counts from the working directory. */
  readonly name: string;
  /** For messages: `vault password`. */
  readonly holds: string;
  /** What a program is called with. */
  readonly parameters: readonly string[];
}

/**
 * The password, stripped as Ansible strips it: a file of all white space around, what a program prints of line ends only. Source:
 * get_password_from_file of ansible-core 2.19. Errors: USAGE; messages never quote a password.
 */
export async function readPassword(
  file: PasswordFile,
  context: { readonly homeDirectory: string; readonly signal: AbortSignal },
): Promise<Secret> {
  const { name, holds } = file;
  const path = name.startsWith('~/') ? join(context.homeDirectory, name.slice(2)) : resolve(name);
  const bytes = await passwordBytes(path, file, context.signal);
  if (!isUtf8(bytes)) throw new BackupError('USAGE', `the ${holds} of ${path} is not UTF-8 text`);
  const text = bytes.toString('utf8');
  if (text === '') throw new BackupError('USAGE', `the ${holds} of ${path} is empty`);
  if (text.startsWith('$ANSIBLE_VAULT')) {
    throw new BackupError('USAGE', `the ${holds} file ${path} is itself encrypted`, {
      hint: 'Decrypt it with ansible-vault, or give a program that prints the password.',
    });
  }
  const { Secret } = await import('@lsbackup/core');
  return new Secret(text);
}

async function passwordBytes(path: string, { holds, parameters }: PasswordFile, signal: AbortSignal): Promise<Buffer> {
  const { content, executable } = await contentOf(path, holds);
  if (!executable) return stripped(content, whiteSpace);
  if (!isProgram(content)) {
    throw new BackupError('USAGE', `the ${holds} file ${path} is executable, but is no program`, {
      hint: 'Remove the executable bit, so that its text is the password; or begin a script with #!.',
    });
  }
  return stripped(await outputOf(path, parameters, signal), lineEnds);
}

async function contentOf(
  path: string,
  holds: string,
): Promise<{ readonly content: Buffer; readonly executable: boolean }> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new BackupError('USAGE', `the ${holds} file ${path} is no regular file`);
    return { content: await readFile(path), executable: (stats.mode & 0o111) !== 0 };
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('USAGE', `cannot read the ${holds} file ${path}: ${reasonOf(error)}`, { cause: error });
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
