import type { Controller } from '../controller/controller.js';
import type { Host } from '../cluster/cluster.js';
import { tarSupport } from '../host-files/tar.js';
import { abortError, asBackupError } from '../model/errors.js';
import type { HostPool } from '../remote/host-pool.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { recordsOn } from '../run/ledger-records.js';
import { clockFindings } from './clock-check.js';
import { failed, type Finding, type HostCheck, ok, skipped, warning } from './diagnosis.js';
import { forwardingFinding, sessionFinding } from './session-checks.js';
import { toolsFinding } from './tools-check.js';
import { connected, notCalled, notConnected, type WayIn } from './way-in-checks.js';

export interface HostQuestions {
  readonly pool: HostPool;
  readonly wayIn: (host: Host) => WayIn;
  readonly controller: Controller;
  /** Programs that the components need which are looked for on this host. */
  readonly tools: (host: Host) => readonly string[];
  readonly signal: AbortSignal;
}

type Probe = (remote: RemoteHost, questions: HostQuestions) => Promise<readonly Finding[]>;

/** One after the other, so that none is measured while others work on the same connection. */
const probes: readonly { readonly checks: readonly [HostCheck, ...HostCheck[]]; readonly probe: Probe }[] = [
  { checks: ['commands', 'clock'], probe: (remote, { signal }) => clockFindings(remote, signal) },
  { checks: ['tar'], probe: async (remote, { signal }) => [await tarFinding(remote, signal)] },
  {
    checks: ['tools'],
    probe: async (remote, { signal, tools }) => [await toolsFinding(remote, tools(remote.host), signal)],
  },
  { checks: ['leftovers'], probe: async (remote, questions) => [await leftoversFinding(remote, questions)] },
  {
    checks: ['forwarding'],
    probe: async (remote, { signal, wayIn }) => [
      await forwardingFinding(remote, { signal, told: () => wayIn(remote.host).warnings }),
    ],
  },
  { checks: ['sessions'], probe: async (remote, { signal }) => [await sessionFinding(remote, signal)] },
];

/** Everything about one host but the space on it, which depends on what is saved. Never rejects but with the reason of the signal. */
export async function examineHost(host: Host, questions: HostQuestions): Promise<readonly Finding[]> {
  const { pool, signal } = questions;
  let remote: RemoteHost;
  try {
    remote = await pool.get(host);
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    const later: HostCheck[] = ['os', ...probes.flatMap(({ checks }) => checks)];
    if (host.refusal !== undefined) return notCalled(host, host.refusal, later);
    return notConnected(host, asBackupError(error, { host: host.name }), later);
  }
  const findings: Finding[] = [...connected(remote, questions.wayIn(host))];
  let lost = false;
  for (const { checks, probe } of probes) {
    if (lost) findings.push(...checks.map((check) => skipped(check, 'the connection is gone')));
    else {
      const found = await attempt(host, checks, () => probe(remote, questions), signal);
      lost = found.some(({ code }) => code === 'STREAM_CUT');
      findings.push(...found);
    }
  }
  return findings;
}

async function attempt(
  host: Host,
  [first, ...others]: readonly [HostCheck, ...HostCheck[]],
  probe: () => Promise<readonly Finding[]>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  try {
    return await probe();
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    return [failed(first, asBackupError(error), host.name), ...others.map((check) => skipped(check, `as ${first}`))];
  }
}

async function tarFinding(remote: RemoteHost, signal: AbortSignal): Promise<Finding> {
  const { host, facts } = remote;
  await tarSupport(remote, signal);
  if (facts.tar === 'gnu') return ok('tar', 'GNU tar');
  const detail = `its tar is ${facts.tar}: extended attributes and ACLs are not saved`;
  return warning('tar', detail, `Install GNU tar (tar package) on ${host.name}.`);
}

async function leftoversFinding(remote: RemoteHost, { controller, signal }: HostQuestions): Promise<Finding> {
  const { stale, live } = await recordsOn(remote, { stateDirectory: '', controller, signal });
  if (stale.length > 0) {
    const detail = `interrupted runs left data: ${stale.join(', ')}`;
    return warning('leftovers', detail, 'The next backup removes it when it begins.');
  }
  return ok('leftovers', live.length === 0 ? 'no leftovers' : `data of a run that is alive: ${live.join(', ')}`);
}
