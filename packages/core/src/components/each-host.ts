import type { Host } from '../cluster/cluster.js';
import { abortError, asBackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import type { RemoteHost } from '../remote/remote-host.js';
import type { DiscoverContext, Discovery, Problem, Unit } from './component.js';

/** What one host of a component turned out to have. */
export type HostAnswer<Found extends Json> = { readonly unit: Unit<Found> } | { readonly absent: string };

/**
 * Asks every host at once. A host that cannot be reached, or where `ask` throws, becomes a problem of its own and never stops the others;
 * only an abort ends the whole.
 */
export async function discoverEachHost<Options, Found extends Json>(
  component: string,
  context: DiscoverContext<Options>,
  ask: (remote: RemoteHost, host: Host) => Promise<HostAnswer<Found>>,
): Promise<Discovery<Found>> {
  const answers = await Promise.all(
    context.hosts.map(async (host): Promise<HostAnswer<Found> | { readonly problem: Problem }> => {
      try {
        return await ask(await context.remote(host), host);
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
