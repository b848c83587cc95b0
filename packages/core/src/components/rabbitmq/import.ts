import type { Readable } from 'node:stream';
import { BackupError } from '../../model/errors.js';
import type { Json } from '../../model/json.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import { maximumDefinitions, parseDefinitions, type Definitions } from './definitions.js';
import { exactJsonText } from './exact-json.js';
import type { DefinedObject } from './objects.js';
import { exportCommand } from './node.js';
import { removalProgram } from './removal.js';

/** Where and how definitions are changed. */
export interface Place {
  readonly rabbitmqctl: string;
  /** RabbitMQ's own user, and its home: only there it reads files. As root its wrapper of Debian gives arguments to a shell, as this user it does not. */
  readonly user: string;
  readonly home: string;
}

/** A change of one node by one restore. */
export interface Change {
  readonly remote: RemoteHost;
  readonly place: Place;
  readonly runId: string;
  readonly signal: AbortSignal;
}

const importSeconds = 600;
const everyStatus = Array.from({ length: 256 }, (_, status) => status);
const cutStatus = 99;

/**
 * Runs a command with standard input as a file that only RabbitMQ's user can read, and removes the file. Arguments: file, its bytes, command. An input that was cut
 * is not given to the command. Killed with -9 it leaves the file, which the next one removes, for its name is the same.
 */
const withFileScript = `
set -eu
umask 077
file=$1
bytes=$2
shift 2
trap 'rm -f -- "$file"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
rm -f -- "$file"
cat > "$file"
[ "$(wc -c < "$file")" -eq "$bytes" ] || exit ${cutStatus}
"$@" < /dev/null
`;

/** A stream's text. Error RESTORE_REFUSED where it is more than definitions may be. */
export async function readText(stream: Readable, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maximumDefinitions)
      throw new BackupError(
        'RESTORE_REFUSED',
        `${what}: definitions of more than ${maximumDefinitions} bytes are not restored`,
        {
          hint: 'Take them out with lsbackup extract and import them with rabbitmqctl import_definitions.',
        },
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What the node has now. Errors: SERVICE_ANSWER, and those of a command. */
export async function presentDefinitions(
  remote: RemoteHost,
  rabbitmqctl: string,
  signal: AbortSignal,
): Promise<Definitions> {
  const command: Command = { ...exportCommand({ rabbitmqctl }), deadline: importSeconds };
  const { stdout } = await remote.run(command, { signal, maximumBytes: 4 * maximumDefinitions });
  return readDefinitions(stdout.toString('utf8'), remote.host.name, 'SERVICE_ANSWER');
}

export function readDefinitions(text: string, where: string, code: 'SERVICE_ANSWER' | 'RESTORE_REFUSED'): Definitions {
  try {
    return parseDefinitions(text);
  } catch {
    // What zod says of them may have a password in it.
    throw new BackupError(code, `${where}: these are no definitions of RabbitMQ`);
  }
}

/** Imports definitions. It only adds and changes. Error: RESTORE_FAILED, with what RabbitMQ says but the values. */
export async function importDefinitions(change: Change, definitions: Definitions): Promise<void> {
  const { place } = change;
  const file = fileOf(place, change.runId);
  const command = importCommand(place, file);
  const { status, output } = await withFile(change, { file, content: exactJsonText(definitions), command });
  if (status === 0) return;
  throw failure(change.remote, 'the definitions were not imported', hideSecrets(output, definitions));
}

export function importCommand({ rabbitmqctl }: Place, file: string): readonly string[] {
  return [rabbitmqctl, 'import_definitions', file, '--format', 'json', '--silent', '--timeout', String(importSeconds)];
}

export interface Removal {
  readonly kind: DefinedObject['kind'] | 'user_limits' | 'empty_queues';
  readonly identity: readonly Json[];
}

/**
 * Waits until no import runs in the node any more, and removes objects; resolves with what RabbitMQ said of those it did not remove, so whoever calls looks what is there afterwards.
 * Errors: RESTORE_FAILED (an import that does not end, or the node did not answer).
 */
export async function removeObjects(change: Change, removals: readonly Removal[]): Promise<string> {
  const { place } = change;
  const file = fileOf(place, change.runId);
  const { status, output } = await withFile(change, {
    file,
    content: exactJsonText(removals.map(({ kind, identity }) => [kind, ...identity])),
    command: [place.rabbitmqctl, 'eval', removalProgram(file, importSeconds)],
  });
  if (status === 0 && output.startsWith('{done,')) return output.trim();
  if (status === 0 && output.startsWith('busy'))
    throw failure(change.remote, 'an import of definitions that began earlier has not ended', '');
  throw failure(change.remote, 'definitions could not be removed', output);
}

export function fileOf({ home }: Place, runId: string): string {
  return `${home}/.lsbackup-${runId}.json`;
}

async function withFile(
  { remote, place, signal }: Change,
  { file, content, command }: { readonly file: string; readonly content: string; readonly command: readonly string[] },
): Promise<{ readonly status: number; readonly output: string }> {
  const input = Buffer.from(content, 'utf8');
  const { stdout, stderr, status } = await remote.run(
    {
      argv: ['sh', '-c', withFileScript, 'lsbackup', file, String(input.length), ...command],
      become: place.user,
      accept: everyStatus,
      deadline: 2 * importSeconds,
    },
    { signal, input },
  );
  if (status === cutStatus) throw failure(remote, 'not all of the definitions came to the host', '');
  return { status, output: status === 0 ? stdout.toString('utf8') : `${stderr}\n${stdout.toString('utf8')}` };
}

function failure(remote: RemoteHost, what: string, output: string): BackupError {
  const said = output.replaceAll(/\s+/g, ' ').trim().slice(0, 400);
  return new BackupError('RESTORE_FAILED', `${remote.host.name}: ${what}${said === '' ? '' : `: ${said}`}`, {
    host: remote.host.name,
    component: 'rabbitmq',
    hint: "RabbitMQ's log on this host says more.",
  });
}

/** RabbitMQ names the value that it did not like: a password's hash, an address with a password in it. */
export function hideSecrets(text: string, { users, parameters, global_parameters }: Definitions): string {
  const values = [
    ...users.map(({ password_hash }) => password_hash),
    ...parameters.map(({ value }) => value),
    ...global_parameters.map(({ value }) => value),
  ];
  const secrets = values.flatMap(stringsIn).filter((secret) => secret.length > 3);
  const longestFirst = [...new Set(secrets)].sort((one, other) => other.length - one.length);
  return longestFirst.reduce((hidden, secret) => hidden.replaceAll(secret, '[secret]'), text);
}

/** Every text in a value, not the names of its fields. */
export function stringsIn(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value as Readonly<Record<string, Json>>).flatMap(stringsIn);
}
