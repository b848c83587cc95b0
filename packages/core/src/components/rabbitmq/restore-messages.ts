import { z } from 'zod';
import { describeCommand } from '../../host-services/describe-command.js';
import { findServices } from '../../host-services/systemd.js';
import { stageStep } from '../../host-steps/stage-files.js';
import { BackupError } from '../../model/errors.js';
import type { ArtifactRecord } from '../../model/metadata.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { RestoreContext, Step, UnitBackup } from '../restore.js';
import { countsSchema } from './counts.js';
import { flagsFile, lookAtData, serviceUnit, type NodeData } from './data.js';
import { replaceData, verifyMessages, type DataParams } from './data-steps.js';
import { holdCommands } from './held-node.js';
import { readCluster, readStatus } from './node.js';
import type { RabbitmqOptions } from './options.js';

type Context = RestoreContext<RabbitmqOptions>;

const archivedSchema = z.object({ dataDirectory: z.string().startsWith('/') });
const identitySchema = z.object({ nodes: z.array(z.string()) });
const baselineSchema = z.object({ messages: countsSchema });

/** How `--select rabbitmq.messages=` wants messages; undefined: not at all. Error OPTION_INVALID. */
export function chosenMessages(context: Context): 'yes' | 'uncounted' | undefined {
  const chosen = context.selected('messages')?.at(-1);
  if (chosen === undefined || chosen === 'no') return undefined;
  if (chosen !== 'yes' && chosen !== 'uncounted')
    throw new BackupError('OPTION_INVALID', '--select rabbitmq.messages takes yes, uncounted or no', {
      component: 'rabbitmq',
    });
  const other = ['vhost', 'exact'].find((key) => context.selected(key) !== undefined);
  if (other === undefined) return chosen;
  throw new BackupError('OPTION_INVALID', `--select rabbitmq.messages and rabbitmq.${other} exclude each other`, {
    component: 'rabbitmq',
    hint: "Messages come back with everything else that was in RabbitMQ's data.",
  });
}

/**
 * Plans how a node's data come back, messages and definitions, onto a node of the same name and version. Errors: ARTIFACT_MISSING, RESTORE_VERSION, RESTORE_REFUSED, SERVICE_MISSING,
 * SERVICE_DOWN, and the host's own.
 */
export async function restoreMessages(
  context: Context,
  backup: UnitBackup,
  { isStrict }: { readonly isStrict: boolean },
): Promise<readonly Step[]> {
  const artifact = artifactOf(backup);
  const host = context.target(artifact.host);
  const remote = await context.remote(host);
  const options = context.optionsFor(host);
  const archived = archivedSchema.parse(backup.unit.roles).dataDirectory;
  const data = await requireTarget(context, { remote, options, backup });
  const contents = await context.surveyTar(artifact.path);
  const names = [archived, flagsFile(archived)].map((path) => path.slice(1));
  const strange = contents.roots.find((root) => !names.includes(root));
  if (strange !== undefined || !contents.roots.includes(archived.slice(1)))
    throw refused(host.name, `${artifact.path} does not hold ${archived} alone`, 'Look at it with lsbackup extract.');
  const baseline = baselineSchema.safeParse(backup.unit.baseline);
  warnOf(context, { host: host.name, archivedAt: backup.unit.startedAt, isCounted: baseline.success });

  const parent = data.directory.replace(/\/[^/]+$/, '');
  const params: DataParams = {
    host: host.name,
    rabbitmqctl: options.rabbitmqctl,
    user: data.user,
    directory: `${parent}/.lsbackup-${context.runId}`,
    data: data.directory,
    archived: archived.slice(1),
  };
  const counts = baseline.success ? baseline.data.messages : null;
  return stepsOf(remote, params, {
    set: `rabbitmq@${backup.unit.name}`,
    verify: { ...params, counts, isStrict },
    stage: { artifact: artifact.path, entries: contents.entries, bytes: contents.bytes },
  });
}

function artifactOf(backup: UnitBackup): ArtifactRecord {
  const found = backup.artifacts.find(({ path }) => path.endsWith('/messages.tar'));
  if (found !== undefined) return found;
  throw new BackupError('ARTIFACT_MISSING', `rabbitmq ${backup.unit.name}: the archive has no messages of this node`, {
    component: 'rabbitmq',
    hint: 'They are saved where the option rabbitmq.messages is true.',
  });
}

/** The node that takes the data must be called as the archived one, be of its version, and have no others beside it. */
async function requireTarget(
  context: Context,
  {
    remote,
    options,
    backup,
  }: { readonly remote: RemoteHost; readonly options: RabbitmqOptions; readonly backup: UnitBackup },
): Promise<NodeData> {
  const { signal } = context;
  const host = remote.host.name;
  const [cluster, status, services] = await Promise.all([
    readCluster(remote, options, signal),
    readStatus(remote, options, signal),
    findServices(remote, [serviceUnit], signal),
  ]);
  const archivedNodes = identitySchema.parse(backup.unit.identity).nodes;
  const nodes = [...new Set([...cluster.disk_nodes, ...cluster.ram_nodes])];
  if (archivedNodes.length !== 1 || nodes.length !== 1)
    throw refused(host, 'messages are restored of single nodes only, not of clusters', 'Restore the definitions.');
  if (nodes[0] !== archivedNodes[0])
    throw refused(
      host,
      `its node is called ${String(nodes[0])}, and the data belong to ${String(archivedNodes[0])}: RabbitMQ reads them under the same name only`,
      'Restore to a host of the same name, or set NODENAME there.',
    );
  const archivedVersion = backup.unit.product?.version ?? '';
  if (series(status.rabbitmq_version) !== series(archivedVersion))
    throw new BackupError(
      'RESTORE_VERSION',
      `${host}: RabbitMQ ${status.rabbitmq_version} is not of the series of ${archivedVersion}, whose data were saved`,
      { host, component: 'rabbitmq', hint: `Install RabbitMQ ${series(archivedVersion)} there.` },
    );
  if (services[0]?.running !== true)
    throw refused(host, `RabbitMQ does not run as ${serviceUnit}`, 'Only systemd can stop it and start it again.');
  const data = await lookAtData(remote, { rabbitmqctl: options.rabbitmqctl, named: status.data_directory }, signal);
  if (data.isMount)
    throw refused(host, `${data.directory} is a mount point and cannot be moved aside`, 'Mount the directory above.');
  if (data.obstacle !== null)
    throw refused(
      host,
      `${data.obstacle}, so what RabbitMQ has could not be moved aside whole`,
      'Keep all data in one directory.',
    );
  return data;
}

function series(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

function refused(host: string, why: string, hint: string): BackupError {
  return new BackupError('RESTORE_REFUSED', `${host}: messages are not restored: ${why}`, {
    host,
    component: 'rabbitmq',
    hint,
  });
}

function warnOf(
  context: Context,
  {
    host,
    archivedAt,
    isCounted,
  }: { readonly host: string; readonly archivedAt: string | undefined; readonly isCounted: boolean },
): void {
  const since =
    archivedAt === undefined ? '' : ` It is then as it was at ${archivedAt}: what was consumed since comes again.`;
  context.warn({
    code: 'RMQ_REPLACED',
    message: `${host}: ALL that RabbitMQ has is replaced: messages, queues, users and every other definition.${since}`,
  });
  if (!isCounted)
    context.warn({
      code: 'RMQ_MESSAGES',
      message: `${host}: the archive does not say how many messages its queues held, so they are not counted`,
    });
}

interface Planned {
  readonly set: string;
  readonly verify: DataParams & Readonly<Record<'counts' | 'isStrict', unknown>>;
  readonly stage: { readonly artifact: string; readonly entries: number; readonly bytes: number };
}

function stepsOf(remote: RemoteHost, params: DataParams, { set, verify, stage }: Planned): readonly Step[] {
  const { host, data, directory, user, rabbitmqctl } = params;
  const place = (verb: string): Pick<Step, 'id' | 'set' | 'after'> => ({ id: `${set}/${verb}`, set, after: [] });
  const shown = (...argv: readonly string[]): string => describeCommand(remote, { argv, become: 'root' });
  return [
    stageStep({ host, directory, ...stage }, place('stage')),
    {
      ...place('replace-data'),
      kind: replaceData.name,
      params,
      host,
      title: `stop RabbitMQ on ${host}, REPLACE ALL ITS DATA (${data}), messages and definitions, and start it again`,
      preview: [
        shown(...holdCommands.stop.split(' ')),
        shown('mv', data, `${directory}/old/data`),
        shown('mv', `${directory}/new/${params.archived}`, data),
        shown(...holdCommands.start.split(' ')),
      ],
      reads: [],
      isDestructive: true,
      beginsDowntime: `RabbitMQ on ${host}`,
      endsDowntime: true,
    },
    {
      ...place('verify-messages'),
      kind: verifyMessages.name,
      params: verify as unknown as Step['params'],
      host,
      title: 'compare the number of messages in each queue with that at the time of the backup',
      preview: [describeCommand(remote, { argv: [rabbitmqctl, 'eval', '...'], become: user })],
      reads: [],
    },
  ];
}
