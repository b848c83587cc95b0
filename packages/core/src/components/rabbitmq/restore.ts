import { z } from 'zod';
import { BackupError } from '../../model/errors.js';
import type { ArtifactRecord } from '../../model/metadata.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { RestoreContext, Step, UnitBackup } from '../restore.js';
import type { Definitions } from './definitions.js';
import { findings, namesOf } from './findings.js';
import { presentDefinitions, readDefinitions, readText } from './import.js';
import { readCluster, readStatus, type ClusterStatus, type NodeStatus } from './node.js';
import { conflicts, extras, objectsOf } from './objects.js';
import type { RabbitmqOptions } from './options.js';
import type { ImportParams } from './params.js';
import { stepsOf } from './plan-steps.js';
import { chosenMessages, restoreMessages } from './restore-messages.js';
import { refuseConflicts } from './restore-state.js';
import { countText, usersOf, wantedDefinitions } from './wanted.js';

export const selectors = {
  vhost: 'Only this virtual host, with what is in it, and its users where the target has none of that name.',
  exact:
    '`yes` removes what the archive does not have, with the messages in it, and makes empty queues and exchanges with other properties anew.',
  messages:
    '`yes` replaces ALL data of RabbitMQ by the archived ones, messages with them, on a node of the same name; `uncounted` takes other numbers of messages than were saved.',
};

type Context = RestoreContext<RabbitmqOptions>;

const identitySchema = z.object({ clusterName: z.string().optional(), nodes: z.array(z.string()).default([]) });
const baselineSchema = z.object({ sha256: z.string() });

/** The target's node, and what it says of itself. */
interface Target {
  readonly remote: RemoteHost;
  readonly cluster: ClusterStatus;
  readonly status: NodeStatus;
  readonly user: string;
  readonly home: string;
}

/**
 * Plans how the definitions come back to the node of one host. Errors: ARTIFACT_MISSING, RESTORE_VERSION (the target is older), RESTORE_REFUSED (queues or exchanges in the
 * way), OPTION_INVALID (selectors), SERVICE_MISSING, SERVICE_DOWN, and the host's own.
 */
export async function restore(context: Context, backup: UnitBackup): Promise<readonly Step[]> {
  const messages = chosenMessages(context);
  if (messages !== undefined) return restoreMessages(context, backup, { isStrict: messages === 'yes' });
  const artifact = definitionsOf(backup);
  const host = context.target(artifact.host);
  const options = context.optionsFor(host);
  const target = await askTarget(await context.remote(host), options, context.signal);
  const version = target.status.rabbitmq_version;
  requireVersion(host.name, backup.unit.product?.version, version);
  const archived = readDefinitions(
    await readText(await context.read(artifact.path), artifact.path),
    artifact.path,
    'RESTORE_REFUSED',
  );
  const vhosts = chosenVhosts(context, archived);
  const exact = isExact(context);
  const present = await presentDefinitions(target.remote, options.rabbitmqctl, context.signal);
  const known = new Set(present.users.map(({ name }) => name));
  const users = vhosts === null ? [] : usersOf(archived, vhosts).filter((name) => !known.has(name));
  const { definitions, notes } = wantedDefinitions(archived, { version, vhosts, users });
  const wanted = objectsOf(definitions);
  const now = objectsOf(present);
  if (!exact)
    refuseConflicts(
      host.name,
      conflicts(wanted, now),
      'Remove them, or add --select rabbitmq.exact=yes, which makes empty ones anew and removes all that the archive does not have.',
    );
  warnOf(context, backup, { target, definitions, notes });
  const baseline = baselineSchema.safeParse(backup.unit.baseline);
  const isSame = notes.length === 0 && vhosts === null && version === backup.unit.product?.version;
  const params: ImportParams = {
    host: host.name,
    rabbitmqctl: options.rabbitmqctl,
    user: target.user,
    home: target.home,
    path: artifact.path,
    version,
    vhosts,
    users,
    replace: exact,
    sha256: isSame && baseline.success ? baseline.data.sha256 : null,
  };
  return stepsOf({ remote: target.remote, runId: context.runId, set: `rabbitmq@${backup.unit.name}` }, params, {
    counts: countText(definitions),
    replaced: exact ? conflicts(wanted, now) : [],
    extras: exact ? extras(wanted, now, vhosts) : [],
  });
}

function definitionsOf(backup: UnitBackup): ArtifactRecord {
  const found = backup.artifacts.find(({ path }) => path.endsWith('/definitions.json'));
  if (found !== undefined) return found;
  throw new BackupError(
    'ARTIFACT_MISSING',
    `rabbitmq ${backup.unit.name}: the archive has no definitions of this cluster`,
    {
      component: 'rabbitmq',
      hint: backup.unit.reason,
    },
  );
}

async function askTarget(remote: RemoteHost, options: RabbitmqOptions, signal: AbortSignal): Promise<Target> {
  const [cluster, status] = await Promise.all([
    readCluster(remote, options, signal),
    readStatus(remote, options, signal),
  ]);
  const home = status.data_directory.replace(/(\/mnesia)?\/[^/]+$/, '');
  const { stdout } = await remote.run(
    { argv: ['stat', '-L', '-c', '%U', '--', status.data_directory], become: 'root' },
    { signal },
  );
  return { remote, cluster, status, home, user: stdout.toString('utf8').trim() };
}

function requireVersion(host: string, archived: string | undefined, target: string): void {
  if (archived === undefined || release(target) >= release(archived)) return;
  throw new BackupError(
    'RESTORE_VERSION',
    `${host}: RabbitMQ ${target} is older than ${archived}, of which the definitions are`,
    { host, component: 'rabbitmq', hint: 'Restore to the same version or a newer one.' },
  );
}

function release(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major * 1000 + minor;
}

function chosenVhosts(context: Context, archived: Definitions): string[] | null {
  const names = archived.vhosts.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
  const chosen = context.selected('vhost', names);
  return chosen === undefined ? null : [...chosen];
}

function isExact(context: Context): boolean {
  const chosen = context.selected('exact') ?? ['no'];
  if (chosen.every((value) => value === 'yes' || value === 'no')) return chosen.at(-1) === 'yes';
  throw new BackupError('OPTION_INVALID', '--select rabbitmq.exact takes yes or no', { component: 'rabbitmq' });
}

function warnOf(
  context: Context,
  backup: UnitBackup,
  {
    target,
    definitions,
    notes,
  }: { readonly target: Target; readonly definitions: Definitions; readonly notes: readonly string[] },
): void {
  const host = target.remote.host.name;
  const { cluster } = target;
  for (const note of notes) context.warn({ code: 'RMQ_CHANGED', message: `${host}: ${note}` });
  const newNodes = [...cluster.disk_nodes, ...cluster.ram_nodes];
  const stopped = newNodes.filter((node) => !cluster.running_nodes.includes(node));
  if (stopped.length > 0)
    context.warn({
      code: 'RMQ_NODE',
      message: `${host}: nodes of the cluster do not run, so queues may not be made: ${stopped.join(', ')}`,
    });
  const identity = identitySchema.safeParse(backup.unit.identity ?? {}).data ?? { nodes: [] };
  const name = definitions.global_parameters.find((parameter) => parameter.name === 'cluster_name')?.value;
  if (typeof name === 'string' && name !== cluster.cluster_name)
    context.warn({
      code: 'RMQ_NAME',
      message: `${host}: the cluster ${cluster.cluster_name} will be named ${name}, as in the archive`,
    });
  const newNames = namesOf([host], newNodes);
  const oldNames = namesOf(backup.unit.hosts, identity.nodes).filter((old) => !newNames.includes(old));
  const { moved } = context;
  const isElsewhere = oldNames.length > 0 || moved.some(({ archived: [old = ''] }) => backup.unit.hosts.includes(old));
  for (const finding of findings(definitions, { host, moved, oldNames, isElsewhere })) context.report(finding);
}
