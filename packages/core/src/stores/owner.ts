import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';

/** Who made an unfinished upload, so that a later run can tell whether that process still lives. */
const ownerSchema = z.object({
  token: z.string(),
  runId: z.string(),
  hostname: z.string(),
  machineId: z.string(),
  bootId: z.string(),
  pidNamespace: z.string(),
  pid: z.int(),
  /** Clock ticks from boot to the start of the process: a pid is used again, the pair is not. */
  processStart: z.string(),
});
export type Owner = z.infer<typeof ownerSchema>;

/** This process as an owner. On systems without /proc the machine's facts are empty, and nobody can ask about it. */
export async function thisOwner(token: string, runId: string): Promise<Owner> {
  return {
    token,
    runId,
    hostname: hostname(),
    machineId: await readFact('/etc/machine-id'),
    bootId: await readFact('/proc/sys/kernel/random/boot_id'),
    pidNamespace: await readlink('/proc/self/ns/pid').catch(() => ''),
    pid: process.pid,
    processStart: await processStart(process.pid),
  };
}

/** The owner in the text of a claim; undefined when it is none of ours. */
export function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** `unknown`: the owner runs on another machine, or where this process cannot look. */
export async function ownerState(owner: Owner, here: Owner): Promise<'alive' | 'gone' | 'unknown'> {
  const sameMachine = owner.hostname === here.hostname && owner.machineId === here.machineId && here.bootId !== '';
  if (!sameMachine) return 'unknown';
  if (owner.bootId !== here.bootId) return here.machineId === '' ? 'unknown' : 'gone';
  if (owner.pidNamespace !== here.pidNamespace) return 'unknown';
  return (await processStart(owner.pid)) === owner.processStart ? 'alive' : 'gone';
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
