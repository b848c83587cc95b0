import { Readable } from 'node:stream';
import { filesArtifact, filesCommand, type FoundFiles } from '../../host-files/found-files.js';
import { describeCommand } from '../../host-services/describe-command.js';
import type { Warning } from '../../model/artifact.js';
import { asBackupError } from '../../model/errors.js';
import type { RemoteHost, TarPolicy } from '../../remote/remote-host.js';
import type { BackupContext, ExpectedArtifact } from '../component.js';
import type { Counted } from './counts.js';
import { messagesPath, type FoundMessages, type NodeData } from './data.js';
import { type HeldNode, holdCommands, holdNode } from './held-node.js';
import type { ClusterStatus } from './node.js';
import type { RabbitmqOptions } from './options.js';

/** Nobody writes while the node is stopped. */
export const messagesPolicy: TarPolicy = { mayChange: false, mayVanish: false };

/** The most for which a node may be stopped. */
export const stoppedSeconds = 3600;

/**
 * Stops a node, saves its data as a tar, and starts it again, however that ends. It is stopped only when the stream has its slot. Resolves with what the queues held when it was
 * stopped. Errors: those of `holdNode`, SERVICE_DOWN where the node does not start again, TAR_FAILED.
 */
export async function saveMessages(
  context: BackupContext<RabbitmqOptions>,
  { data, files }: { readonly data: NodeData; readonly files: FoundFiles },
): Promise<Counted | undefined> {
  context.signal.throwIfAborted();
  const remote = await context.remote(context.host(data.host));
  const node = await holdNode(remote, data, { runId: context.runId, signal: context.signal });
  const artifact = filesArtifact({ path: messagesPath(data.host), remote, files, policy: messagesPolicy });
  let counted: Counted | undefined;
  let stoppedAt: number | undefined;
  try {
    await context.save({
      ...artifact,
      alone: true,
      hold: stoppedSeconds,
      open: async (opening) => {
        stoppedAt = Date.now();
        counted = await node.stop(opening.signal);
        const source = await artifact.open(opening);
        return Readable.from(
          whileStopped(source, () => node.expectStopped(opening.signal)),
          { objectMode: false },
        );
      },
    });
  } finally {
    await startAgain(context, node);
    if (stoppedAt !== undefined) {
      const seconds = Math.ceil((Date.now() - stoppedAt) / 1000);
      context.warn({
        code: 'RMQ_STOPPED',
        message: `${data.host}: RabbitMQ served nobody for ${String(seconds)} s while its messages were copied`,
      });
    }
  }
  return counted;
}

/** The copy may have failed before, and then that is the unit's reason: this must be told all the same. */
async function startAgain(context: BackupContext<RabbitmqOptions>, node: HeldNode): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    context.warn({ code: 'RMQ_NOT_STARTED', message: asBackupError(error).reason });
    throw error;
  }
}

async function* whileStopped(source: Readable, check: () => Promise<void>): AsyncGenerator<Buffer, void> {
  for await (const chunk of source as AsyncIterable<Buffer>) yield chunk;
  await check();
}

/** What the plan shows of it: the node's stop and start, or why it is refused. */
export function messagesArtifact(remote: RemoteHost, { data, files, refusal }: FoundMessages): ExpectedArtifact {
  const host = remote.host.name;
  const common = { path: messagesPath(host), host };
  if (data === null) return { ...common, commands: [], refusal };
  const shown = (command: string): string => describeCommand(remote, { argv: command.split(' '), become: 'root' });
  return {
    ...common,
    size: files.bytes,
    commands: [
      shown(holdCommands.stop),
      describeCommand(remote, filesCommand(remote, files, messagesPolicy)),
      shown(holdCommands.start),
    ],
  };
}

/** That messages are not saved, or what it costs that they are. */
export function messagesWarning(
  { cluster_name: name }: ClusterStatus,
  messages: FoundMessages | undefined,
): readonly Warning[] {
  if (messages === undefined)
    return [{ code: 'MESSAGES_NOT_SAVED', message: `${name}: definitions are saved, messages in queues are not` }];
  if (messages.data === null) return [];
  const mebibytes = String(Math.ceil(messages.files.bytes / 1024 ** 2));
  return [
    {
      code: 'RMQ_DOWNTIME',
      message: `${name}: RABBITMQ WILL BE STOPPED while its messages are copied (about ${mebibytes} MiB): all clients are cut off, for ${String(stoppedSeconds / 60)} minutes at most; transient messages and queues are lost, as at any stop`,
    },
  ];
}
