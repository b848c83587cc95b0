import type { Host } from '../cluster/cluster.js';
import { BackupError, abortError, asBackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { DiscoverContext, Discovery, Problem, Unit } from './component.js';
import { inTime } from '../model/in-time.js';

/** Seconds for one host; less than the engine gives the whole discovery, so that a host that hangs is a problem of its own. */
const hostSeconds = 240;

/** What one host of a component turned out to have. */
export type HostAnswer<Found extends Json> = { readonly unit: Unit<Found> } | { readonly absent: string };

/**
 * Asks every host at once. A host that cannot be reached, where `ask` throws, or that has not answered after 240 seconds becomes a
 * problem of its own and never stops the others; only an abort ends the whole. The signal that `ask` gets aborts in both cases.
 */
export async function discoverEachHost<Options, Found extends Json>(
  component: string,
  context: DiscoverContext<Options>,
  ask: (remote: RemoteHost, host: Host, signal: AbortSignal) => Promise<HostAnswer<Found>>,
): Promise<Discovery<Found>> {
  const answers = await Promise.all(
    context.hosts.map(async (host): Promise<HostAnswer<Found> | { readonly problem: Problem }> => {
      try {
        const limit = { seconds: hostSeconds, signal: context.signal, late: () => tooSlow(host) };
        return await inTime(limit, async (signal) => ask(await context.remote(host), host, signal));
      } catch (error) {
        return { problem: hostProblem(component, host.name, error) };
      }
    }),
  );
  if (context.signal.aborted) throw abortError(context.signal);
  return {
    units: answers.flatMap((answer) => ('unit' in answer ? [answer.unit] : [])),
    problems: answers.flatMap((answer) => ('problem' in answer ? [answer.problem] : [])),
    absent: answers.flatMap((answer, index) =>
      'absent' in answer ? [{ host: context.hosts[index]?.name ?? '', evidence: answer.absent }] : [],
    ),
  };
}

/** A failed unit that is one host. */
export function hostProblem(component: string, host: string, error: unknown): Problem {
  return { unit: host, hosts: [host], error: asBackupError(error, { component, host }) };
}

function tooSlow(host: Host): BackupError {
  const text = `${host.name}: not all questions were answered within ${hostSeconds} s`;
  return new BackupError('COMMAND_TIMEOUT', text, { host: host.name, retryable: true });
}
