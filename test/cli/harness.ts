import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { type SampleCluster, startSampleCluster } from '../../examples/sample/cluster.mjs';
import type { Fault } from '../support/ssh-server.mjs';

// Each test starts real processes, on machines that do other things as well.
jest.setTimeout(120_000);

export const program = join(import.meta.dirname, '../../packages/cli/bin/lsbackup.cjs');

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built program, started; `ended` resolves when it and its output have. */
export function startCli(parameters: readonly string[]): {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
} {
  const child = spawn(process.execPath, [program, ...parameters], { env: { PATH: process.env.PATH, HOME: tmpdir() } });
  // What a shell script or a loop would read next: nothing here may take it for its own.
  child.stdin.on('error', () => undefined).end('the next line of a script\n');
  return { child, ended: collect(child) };
}

export async function runCli(...parameters: readonly string[]): Promise<Ended> {
  return startCli(parameters).ended;
}

/** A program as it ends by itself. */
export async function collect(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { status, signal, ...output };
}

export interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly cluster: SampleCluster;
  /** An empty target. */
  readonly target: string;
  /** What is in the target, unfinished things included. */
  targetFiles(): Promise<readonly string[]>;
  /** `-b BUILD -t TARGET` and the rest. */
  backup(...parameters: readonly string[]): Promise<Ended>;
}

/** A sample cluster and an empty target in a directory of their own. */
export async function makePlace(
  options: {
    readonly hosts?: readonly string[];
    readonly faults?: (host: string, command: string) => Fault | undefined;
  } = {},
): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'lsbackup-cli-'));
  const target = join(directory, 'target');
  await mkdir(target);
  const cluster = await startSampleCluster({ directory: join(directory, 'sample'), ...options });
  return {
    directory,
    cluster,
    target,
    targetFiles: async () => (await readdir(target)).sort(),
    backup: (...parameters) => runCli('-b', cluster.directory, '-t', target, ...parameters),
    [Symbol.asyncDispose]: async () => {
      await cluster.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** True for the command that reads a host's files. */
export function readsFiles(command: string): boolean {
  return command.includes('--create');
}

/** Waits until `condition` holds; fails after half a minute. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(20);
  }
}
