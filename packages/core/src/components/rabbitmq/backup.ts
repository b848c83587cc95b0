import { Readable } from 'node:stream';
import { jsonFormat } from '../../formats/json.js';
import { filesArtifact } from '../../host-files/found-files.js';
import { asBackupError } from '../../model/errors.js';
import type { BackupContext, Unit } from '../component.js';
import { definitionsBaseline } from './definitions.js';
import { configurationPath, configurationPolicy, definitionsPath, type RabbitmqFound } from './discover.js';
import { exportCommand } from './node.js';
import type { RabbitmqOptions } from './options.js';

/** Definitions are kept in memory for the baseline up to this size; some 50,000 queues. */
const maximumCounted = 16 * 1024 * 1024;

type Context = BackupContext<RabbitmqOptions>;

/** Saves the definitions from one node and the configuration of every member. Each is of use alone: a file that changes under /etc/rabbitmq costs that host's configuration only. */
export async function backup(context: Context, unit: Unit<RabbitmqFound>): Promise<void> {
  const results = await Promise.allSettled([
    saveDefinitions(context, unit.found.host),
    ...unit.found.configurations.map((configuration) => saveConfiguration(context, configuration)),
  ]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function saveDefinitions(context: Context, hostName: string): Promise<void> {
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
    return;
  }
  try {
    context.baseline(definitionsBaseline(text));
  } catch (error) {
    context.warn({
      code: 'BASELINE_INCOMPLETE',
      message: `${hostName}: the definitions are saved, but counting them failed: ${asBackupError(error).message}`,
    });
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
