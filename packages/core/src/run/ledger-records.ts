import { z } from 'zod';
import { type Controller, controllerSchema, controllerState } from '../controller/controller.js';
import type { Command, RemoteHost } from '../remote/remote-host.js';
import { listScript } from './ledger-scripts.js';

/** After so long without a heartbeat what a run left on a host is removed by anybody. */
export const timeToLiveSeconds = 1800;

/** What `hold` makes: a run id (run/session.ts) and a number. Everything else in the state directory is somebody else's. */
const recordName = /^\d{8}T\d{6}Z-[0-9a-f]{8}-\d+$/;

const ownerSchema = z.object({ runId: z.string(), startedAt: z.string(), controller: controllerSchema });

/** Names of the records that runs have on a host. */
export interface RunRecords {
  /** Of runs that are dead: of this controller, or without a heartbeat. */
  readonly stale: readonly string[];
  readonly live: readonly string[];
}

/** Reads, and changes nothing. `stateDirectory` empty: the default one. */
export async function recordsOn(
  remote: RemoteHost,
  {
    stateDirectory,
    controller,
    signal,
  }: { readonly stateDirectory: string; readonly controller: Controller; readonly signal: AbortSignal },
): Promise<RunRecords> {
  const { stdout } = await remote.run(ledgerCommand(listScript, [stateDirectory]), { signal });
  const stale: string[] = [];
  const live: string[] = [];
  for (const line of stdout.toString('utf8').split('\n').filter(Boolean)) {
    const [name = '', age = '', owner = ''] = line.split('\t');
    if (!recordName.test(name)) continue;
    ((await isStale(owner, Number(age), controller)) ? stale : live).push(name);
  }
  return { stale, live };
}

/** One of the scripts in ledger-scripts.ts, as root where the host allows it. */
export function ledgerCommand(text: string, arguments_: readonly string[] = []): Command {
  return { argv: ['sh', '-c', text, 'lsbackup', ...arguments_], become: 'root' };
}

async function isStale(owner: string, ageSeconds: number, here: Controller): Promise<boolean> {
  if (ageSeconds > timeToLiveSeconds) return true;
  const parsed = ownerSchema.safeParse(parseJson(owner));
  return parsed.success && (await controllerState(parsed.data.controller, here)) === 'gone';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A record that was cut while it was written: its age decides.
  }
}
