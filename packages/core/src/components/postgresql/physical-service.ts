import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { StepContext } from '../restore.js';
import { componentName } from './artifacts.js';
import { serverState, type ServerPlace } from './physical-place.js';
import { serverSchema } from './sql-session.js';

/** What a ServerPlace must have where it comes out of a journal. */
export const placeSchema = serverSchema.extend({ unit: z.string() }) satisfies z.ZodType<ServerPlace>;

/** The checkpoint at the end takes as long as there are changed pages. */
const stopSeconds = 3000;
/** systemctl's own statuses; what counts is what runs afterwards. */
const anyStatus = [0, 1, 3, 4, 5];

/** Stops the server and waits until nothing of it runs. Errors: RESTORE_FAILED, COMMAND_TIMEOUT. */
export async function stopServer(context: StepContext, place: ServerPlace): Promise<void> {
  const { signal } = context;
  const remote = await context.remote(place.host);
  const command = { argv: ['systemctl', 'stop', '--', place.unit], become: 'root', accept: anyStatus };
  const { stderr } = await remote.run({ ...command, deadline: stopSeconds }, { signal });
  const { state } = await serverState(remote, place, signal);
  if (state !== 'stopped') throw failed(place, `${place.unit} does not stop: the server is ${state}. ${stderr.trim()}`);
}

/** Starts the server and waits until its recovery has ended and it lets clients in. Errors: RESTORE_FAILED, COMMAND_TIMEOUT. */
export async function startServer(
  context: StepContext,
  place: ServerPlace,
  { seconds }: { readonly seconds: number },
): Promise<void> {
  const { signal } = context;
  const remote = await context.remote(place.host);
  const deadline = performance.now() + seconds * 1000;
  // Otherwise systemd refuses one that was started often.
  const control = { become: 'root', accept: anyStatus, deadline: seconds };
  await remote.run({ ...control, argv: ['systemctl', 'reset-failed', '--', place.unit] }, { signal });
  await remote.run({ ...control, argv: ['systemctl', 'start', '--', place.unit] }, { signal });
  for (;;) {
    const { state } = await serverState(remote, place, signal);
    if (state === 'ready' || state === 'standby') return;
    if (state === 'stopped') throw failed(place, `${place.unit} does not start`);
    if (performance.now() > deadline)
      throw failed(place, `${place.unit} lets nobody in after ${String(seconds)} s: the server is ${state}`);
    await delay(200, undefined, { signal });
  }
}

function failed({ host, unit, dataDirectory }: ServerPlace, what: string): BackupError {
  return new BackupError('RESTORE_FAILED', `${host}: PostgreSQL in ${dataDirectory}: ${what}`, {
    host,
    component: componentName,
    hint: `The server's log says why (/var/log/postgresql, or journalctl -u ${unit}).`,
  });
}
