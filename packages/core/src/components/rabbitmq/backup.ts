import { Readable } from 'node:stream';
import { jsonFormat } from '../../formats/json.js';
import { filesArtifact } from '../../host-files/found-files.js';
import { asBackupError, BackupError } from '../../model/errors.js';
import type { Json } from '../../model/json.js';
import type { BackupContext, Unit } from '../component.js';
import type { Counted } from './counts.js';
import { definitionsBaseline } from './definitions.js';
import {
  componentName,
  configurationPath,
  configurationPolicy,
  definitionsPath,
  type RabbitmqFound,
} from './discover.js';
import { exportCommand } from './node.js';
import type { RabbitmqOptions } from './options.js';
import { saveMessages } from './save-messages.js';

/** Definitions are kept in memory for the baseline up to this size; some 50,000 queues. */
const maximumCounted = 16 * 1024 * 1024;

type Context = BackupContext<RabbitmqOptions>;

/**
 * Saves the definitions from one node and the configuration of every member, then the messages where they are wanted, for that stops the node. Each is of use alone: a file that
 * changes under /etc/rabbitmq costs that host's configuration only.
 */
export async function backup(context: Context, unit: Unit<RabbitmqFound>): Promise<void> {
  const { host, configurations, messages, refusal } = unit.found;
  const [definitions, ...others] = await Promise.allSettled([
    saveDefinitions(context, host),
    ...configurations.map((configuration) => saveConfiguration(context, configuration)),
  ]);
  const [counted] = await Promise.allSettled([messages === null ? undefined : saveMessages(context, messages)]);
  const baseline = {
    ...(definitions.status === 'fulfilled' ? definitions.value : {}),
    ...(counted.status === 'fulfilled' ? messagesBaseline(context, counted.value) : {}),
  };
  if (Object.keys(baseline).length > 0) context.baseline(baseline);
  const failed = [counted, definitions, ...others].find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  if (refusal !== null)
    throw new BackupError(refusal.code, refusal.message, { host, component: componentName, hint: refusal.hint });
}

function messagesBaseline(context: Context, counted: Counted | undefined): Readonly<Record<string, Json>> {
  if (counted === undefined) return {};
  if (counted.isSettled) return { messages: counted.queues };
  context.warn({
    code: 'BASELINE_INCOMPLETE',
    message: 'messages came and went while RabbitMQ was about to be stopped, so their numbers are not kept',
  });
  return {};
}

/** Resolves with their baseline. */
async function saveDefinitions(context: Context, hostName: string): Promise<Readonly<Record<string, Json>>> {
  const host = context.host(hostName);
  const remote = await context.remote(host);
  const copy = new BoundedCopy(maximumCounted);
  await context.save({
    path: definitionsPath(hostName),
    format: jsonFormat,
    host: hostName,
    alone: true,
    open: async ({ signal }) => copy.follow(await remote.read(exportCommand(context.optionsFor(host)), { signal })),
  });
  const text = copy.text();
  if (text === undefined) {
    context.warn({ code: 'BASELINE_INCOMPLETE', message: `${hostName}: the definitions are too large to be counted` });
    return {};
  }
  try {
    return definitionsBaseline(text);
  } catch (error) {
    context.warn({
      code: 'BASELINE_INCOMPLETE',
      message: `${hostName}: the definitions are saved, but counting them failed: ${asBackupError(error).message}`,
    });
    return {};
  }
}

async function saveConfiguration(
  context: Context,
  configuration: RabbitmqFound['configurations'][number],
): Promise<void> {
  const remote = await context.remote(context.host(configuration.host));
  const path = configurationPath(configuration.host);
  const artifact = filesArtifact({ path, remote, files: configuration, policy: configurationPolicy });
  await context.save({ ...artifact, alone: true });
}

/** Keeps a copy of what flows through, unless that is more than its limit. */
class BoundedCopy {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The same bytes, with the same end or error. */
  follow(source: Readable): Readable {
    return Readable.from(this.#pass(source), { objectMode: false });
  }

  /** Undefined when it was too much. */
  text(): string | undefined {
    return this.#bytes > this.#limit ? undefined : Buffer.concat(this.#chunks).toString('utf8');
  }

  async *#pass(source: Readable): AsyncGenerator<Buffer, void> {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      this.#bytes += chunk.length;
      if (this.#bytes > this.#limit) this.#chunks.length = 0;
      else this.#chunks.push(Buffer.from(chunk));
      yield chunk;
    }
  }
}
