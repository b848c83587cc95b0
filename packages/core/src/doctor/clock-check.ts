import { BackupError } from '../model/errors.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { type Finding, ok, warning } from './diagnosis.js';

/**
 * Clocks that are kept by NTP differ by milliseconds; more than this is one that nobody sets. No backup fails of it: times that are compared with
 * each other all come from one machine. But the times in the archive are this machine's, and those in a host's own files and logs the host's.
 */
const mostSeconds = 2;
const attempts = 3;
/** Seconds since 1970; `%N` (nanoseconds) is GNU's, others print it as it is or leave it out. */
const clockCommand = { argv: ['date', '+%s.%N'], deadline: 30 };

interface Reading {
  /** Seconds there and back. */
  readonly roundTrip: number;
  /** Seconds by which the host is ahead, give or take `uncertain`. */
  readonly ahead: number;
  readonly uncertain: number;
}

/** How long a command takes there and back, and how far apart the clocks are. The host's is read at some moment of the round trip, so that of the fastest one tells most. */
export async function clockFindings(remote: RemoteHost, signal: AbortSignal): Promise<readonly Finding[]> {
  const readings: Reading[] = [];
  for (let attempt = 0; attempt < attempts; attempt++) readings.push(await readClock(remote, signal));
  const best = readings.reduce((one, other) => (other.roundTrip < one.roundTrip ? other : one));
  return [
    ok('commands', `${Math.round(best.roundTrip * 1000)} ms for a command`),
    clockFinding(remote.host.name, best),
  ];
}

async function readClock(remote: RemoteHost, signal: AbortSignal): Promise<Reading> {
  const sent = Date.now() / 1000;
  const { stdout } = await remote.run(clockCommand, { signal });
  const received = Date.now() / 1000;
  const [, seconds, fraction] = /^(\d+)(?:\.(\d+))?/.exec(stdout.toString('latin1')) ?? [];
  if (seconds === undefined)
    throw new BackupError('COMMAND_FAILED', `${remote.host.name}: date does not print a number`, {
      host: remote.host.name,
    });
  const [time, precision] =
    fraction === undefined ? [Number(seconds) + 0.5, 0.5] : [Number(`${seconds}.${fraction}`), 0];
  const roundTrip = received - sent;
  return { roundTrip, ahead: time - (sent + received) / 2, uncertain: roundTrip / 2 + precision };
}

function clockFinding(host: string, { ahead, uncertain }: Reading): Finding {
  const apart = Math.abs(ahead);
  if (apart - uncertain <= mostSeconds) return ok('clock', `clock ${apart <= uncertain ? 'right' : offsetText(ahead)}`);
  return warning(
    'clock',
    `its clock is ${offsetText(ahead)} against the one of this machine`,
    `Keep both set by NTP (chrony or systemd-timesyncd), on ${host} and on this machine.`,
  );
}

function offsetText(seconds: number): string {
  return `${seconds < 0 ? '' : '+'}${seconds.toFixed(1)} s`;
}
