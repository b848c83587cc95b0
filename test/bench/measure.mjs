// Whole processes, timed from start to exit, with the most memory each one had.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { interruption, root } from '../setup/process.mjs';

const mebibyte = 1024 * 1024;
/** Between two looks at the memory of a process. The kernel keeps the peak, so only what is new in the last interval can be missed. */
const lookEvery = 20;

/**
 * Runs a program to its end, which must be exit status 0. `seconds` is wall time; `peakMebibytes` the peak resident set (VmHWM) of the
 * program itself, without what it starts.
 */
export function measure(program, programArguments, { cwd = root, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(program, programArguments, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: interruption,
    });
    let peakMebibytes = 0;
    const look = setInterval(() => (peakMebibytes = Math.max(peakMebibytes, residentPeak(child.pid))), lookEvery);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', (error) => {
      clearInterval(look);
      reject(error);
    });
    let seconds = 0;
    child.on('exit', () => (seconds = (performance.now() - started) / 1000));
    child.on('close', (status) => {
      clearInterval(look);
      if (status === 0) resolve({ seconds, peakMebibytes, stdout });
      else reject(new Error(`${program} ${programArguments.join(' ')} ended with ${status}:\n${stderr || stdout}`));
    });
  });
}

/** The same for a line of bash; what fails anywhere in a pipe fails the line. */
export function measureShell(line, options) {
  return measure('bash', ['-euo', 'pipefail', '-c', line], options);
}

function residentPeak(pid) {
  try {
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kibibytes ?? 0) / 1024;
  } catch {
    return 0; // it has ended
  }
}

/** Runs each measurement in turn, A B A B, `rounds` times after one round that does not count. Resolves with one list of results for each. */
export async function interleaved(rounds, measurements, { warmUp = true } = {}) {
  const results = measurements.map(() => []);
  for (let round = warmUp ? -1 : 0; round < rounds; round += 1) {
    for (const [index, measureOnce] of measurements.entries()) {
      const result = await measureOnce();
      if (round >= 0) results[index].push(result);
    }
  }
  return results;
}

/** Pairwise: the nth of one to the nth of the other. */
export function ratios(numerators, denominators) {
  return numerators.map((value, index) => value / denominators[index]);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** "12.3 s" or "12.3 (11.9 to 14.0) s". */
export function range(values, unit) {
  const all = values.map((value) => value.toFixed(unit === 's' ? 2 : 0));
  return `${median(values).toFixed(unit === 's' ? 2 : 0)} ${unit}${values.length > 1 ? ` (${all.join(', ')})` : ''}`;
}

export function mebibytes(bytes) {
  return bytes / mebibyte;
}
