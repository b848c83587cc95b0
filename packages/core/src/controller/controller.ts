import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';

/** Which process runs a backup, written beside whatever must not outlive it, so that a later run can tell whether it still lives. */
export const controllerSchema = z.object({
  hostname: z.string(),
  machineId: z.string(),
  bootId: z.string(),
  pidNamespace: z.string(),
  pid: z.int(),
  /** Clock ticks from boot to the start of the process: a pid is used again, the pair is not. */
  processStart: z.string(),
});
export type Controller = z.infer<typeof controllerSchema>;

/** This process. On systems without /proc the machine's facts are empty, and no other process can ask about it. */
export async function thisController(): Promise<Controller> {
  return {
    hostname: hostname(),
    machineId: await readFact('/etc/machine-id'),
    bootId: await readFact('/proc/sys/kernel/random/boot_id'),
    pidNamespace: await readlink('/proc/self/ns/pid').catch(() => ''),
    pid: process.pid,
    processStart: await processStart(process.pid),
  };
}

/** `unknown`: the process runs on another machine, or where this one cannot look. */
export async function controllerState(other: Controller, here: Controller): Promise<'alive' | 'gone' | 'unknown'> {
  const sameMachine = other.hostname === here.hostname && other.machineId === here.machineId && here.bootId !== '';
  if (!sameMachine) return 'unknown';
  if (other.bootId !== here.bootId) return here.machineId === '' ? 'unknown' : 'gone';
  if (other.pidNamespace !== here.pidNamespace) return 'unknown';
  return (await processStart(other.pid)) === other.processStart ? 'alive' : 'gone';
}

/** Field 22 of /proc/PID/stat (proc(5)); the command's name in field 2 may hold anything, so it is cut off first. Empty: no such process. */
async function processStart(pid: number): Promise<string> {
  const stat = await readFact(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function readFact(path: string): Promise<string> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}
