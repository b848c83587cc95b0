import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The repository: paths in the test cluster's inventory are relative to it. */
export const root = join(import.meta.dirname, '../..');
const launcher = join(root, 'packages/cli/bin/lsbackup.cjs');

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

/** Starts the built command in the repository. */
export function startLsbackup(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
  return startProgram(process.execPath, [launcher, ...args], environment);
}

/** Runs the built command to its end. */
export function lsbackup(...args: readonly string[]): Promise<Finished> {
  return startLsbackup(args).finished;
}

/** Any other program, with what it printed. */
export function startProgram(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Running {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = once(child, 'close').then(([status, signal]) => ({
    status: status as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return { child, finished };
}

/** Runs a program that must succeed; resolves with its standard output. */
export async function must(program: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await startProgram(program, args).finished;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${String(status)}: ${stderr}`);
  return stdout;
}

/** A directory that is removed with everything in it. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'lsbackup-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface JsonLine {
  readonly type: string;
  readonly [field: string]: unknown;
}

export function jsonLines(text: string): JsonLine[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JsonLine);
}
