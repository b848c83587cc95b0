// Running other programs: every one has a deadline, and every one ends when the run is interrupted.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Everything that is generated and may be thrown away; git ignores it. */
export const cacheDirectory = join(root, '.cache');

const interrupted = new AbortController();
export const interruption = interrupted.signal;

/** From here on every program that `run` started, or will start without `evenInterrupted`, is ended. */
export function interrupt(reason) {
  interrupted.abort(new Error(reason));
}

const minute = 60_000;

/**
 * Runs a program and resolves with what it printed; rejects unless it exits with 0.
 * `showErrors` also passes what it writes to stderr through to ours, as it comes.
 */
export function run(program, programArguments, options = {}) {
  const {
    deadline = 2 * minute,
    input = '',
    showErrors = false,
    cwd = root,
    env = {},
    evenInterrupted = false,
  } = options;
  return new Promise((fulfil, reject) => {
    if (interruption.aborted && !evenInterrupted) return reject(interruption.reason);
    // A group of its own, so that what the program starts can be ended with it.
    const child = spawn(program, programArguments, {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
    });
    let stdout = '';
    let stderr = '';
    let ended = '';
    const end = (why) => {
      ended = why;
      endGroup(child.pid);
    };
    const timer = setTimeout(() => end(`was ended after ${deadline / 1000} s`), deadline);
    const onInterrupt = () => end('was interrupted');
    if (!evenInterrupted) interruption.addEventListener('abort', onInterrupt);
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
      if (showErrors) process.stderr.write(text);
    });
    child.stdin.on('error', () => {}); // a program need not read its input
    child.stdin.end(input);
    const settle = (settled) => {
      clearTimeout(timer);
      interruption.removeEventListener('abort', onInterrupt);
      settled();
    };
    child.on('error', (cause) => settle(() => reject(new Error(`cannot run ${program}: ${cause.message}`, { cause }))));
    child.on('close', (code, signal) =>
      settle(() => {
        if (code === 0 && !ended) return fulfil({ stdout, stderr });
        const what = [program, ...programArguments].join(' ');
        const how = ended || (signal ? `ended by ${signal}` : `exit status ${code}`);
        reject(
          Object.assign(new Error(`${what}: ${how}\n${showErrors ? '' : excerpt(stdout + stderr)}`.trim()), {
            code,
            stdout,
            stderr,
          }),
        );
      }),
    );
  });
}

/** Like `run`, but a failure is an answer: undefined. */
export async function attempt(program, programArguments, options) {
  try {
    return await run(program, programArguments, options);
  } catch (error) {
    if (interruption.aborted && !options?.evenInterrupted) throw error;
    return undefined;
  }
}

function endGroup(pid) {
  const signal = (name) => {
    try {
      process.kill(-pid, name);
    } catch {
      // it has already ended
    }
  };
  signal('SIGTERM');
  setTimeout(() => signal('SIGKILL'), 10_000).unref();
}

/** Enough of a long output to see the reason, which some programs print first and some last. */
function excerpt(text) {
  const lines = text.trimEnd().split('\n');
  return (lines.length <= 40 ? lines : [...lines.slice(0, 10), '...', ...lines.slice(-30)]).join('\n');
}

/** The full path of a program, or undefined. */
export function find(program) {
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not there
    }
  }
  return undefined;
}

export function sleep(milliseconds) {
  return new Promise((wake) => setTimeout(wake, milliseconds));
}

/** Asks again and again until the answer is neither undefined nor false. */
export async function waitFor(what, ask, { deadline = minute, every = 300, evenInterrupted = false } = {}) {
  const end = Date.now() + deadline;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (interruption.aborted && !evenInterrupted) throw interruption.reason;
    if (Date.now() > end) throw new Error(`${what}: not so after ${deadline / 1000} s`);
    await sleep(every);
  }
}

/** Prints what is being done and, at the end, how long it took. */
export async function step(what, work) {
  const start = performance.now();
  const seconds = () => ((performance.now() - start) / 1000).toFixed(1);
  console.log(`==> ${what}`);
  try {
    const result = await work();
    console.log(`    ${what}: done in ${seconds()} s`);
    return result;
  } catch (error) {
    console.log(`    ${what}: FAILED after ${seconds()} s`);
    throw error;
  }
}
