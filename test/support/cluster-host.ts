import { createReadStream } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { containerOf } from '../cluster/cluster.mjs';
import { must } from './lsbackup.js';

const containers = new Map<string, string>();

/** Asked once: no test puts another container in a host's place. */
export async function containerId(host: string): Promise<string> {
  const id: unknown = containers.get(host) ?? (await containerOf(host));
  if (typeof id !== 'string') throw new Error(`the host ${host} of the test cluster does not run`);
  containers.set(host, id);
  return id;
}

/** Runs a command in a host of the test cluster as root, without SSH: the verifier shares nothing with what it verifies. */
export async function onHost(host: string, ...argv: readonly string[]): Promise<string> {
  return must('docker', 'exec', await containerId(host), ...argv);
}

/** Runs a shell script in a host. */
export function shellOnHost(host: string, script: string): Promise<string> {
  return onHost(host, 'bash', '-euo', 'pipefail', '-c', script);
}

/** Runs a command in a host with a local file as its standard input. */
export async function feedHost(host: string, file: string, ...argv: readonly string[]): Promise<string> {
  const child = spawn('docker', ['exec', '-i', await containerId(host), ...argv], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const closed = once(child, 'close');
  const fed = pipeline(createReadStream(file), child.stdin).catch(() => undefined);
  const [status] = (await closed) as [number | null];
  await fed;
  if (status !== 0) throw new Error(`${argv.join(' ')} on ${host} ended with ${String(status)}: ${errors}`);
  return output;
}

/** What a run left on a host: files, snapshots, timers, processes. Empty when nothing. */
export async function leftovers(host: string): Promise<string[]> {
  const files = await shellOnHost(
    host,
    'set +e; ls -d /var/lib/lsbackup /home/admin/.local/state/lsbackup /tmp/lsbackup* 2>/dev/null; find /var/lib/prometheus -path "*/snapshots/*" 2>/dev/null; true',
  );
  const timers = await onHost(host, 'systemctl', 'list-units', '--all', '--no-legend', 'lsbackup*');
  const processes = await onHost(host, 'ps', '-e', '-o', 'args=');
  const ours = processes.split('\n').filter((line) => line.includes('lsbackup'));
  return [...files.split('\n'), ...timers.split('\n'), ...ours].filter(Boolean);
}

/** Waits for at most 20 seconds: what ends a cancelled command on its host takes 5 itself before it makes sure. Rejects with what is left. */
export async function untilNothingIsLeft(hosts: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const left = (await Promise.all(hosts.map(leftovers))).flat();
    if (left.length === 0) return;
    if (Date.now() > deadline) throw new Error(`left on hosts: ${left.join('\n')}`);
    await sleep(500);
  }
}
