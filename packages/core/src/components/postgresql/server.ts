import { z } from 'zod';
import { lookAt } from '../../host-files/paths.js';
import { BackupError } from '../../model/errors.js';
import { parseJson } from '../../model/parse-json.js';
import type { Command, RemoteHost } from '../../remote/remote-host.js';
import type { PostgresqlOptions } from './options.js';

/** A running server on one host and how to talk to it. Not an interface, so that it is Json. */
export type Server = Readonly<{
  host: string;
  port: number;
  socketDirectory: string;
  dataDirectory: string;
  /** Where the server's own psql and pg_dump are: others may be older than the server and refuse. */
  binaries: string;
  /** The operating system's user that owns the server; the shipped `peer` rule lets it in. */
  user: string;
  /** The database that is asked about the others. */
  database: string;
}>;

/**
 * Every postmaster of the host, whatever started it. Its working directory is the data directory, and postmaster.pid there says port and socket (source:
 * PostgreSQL's pidfile.h). The process id in that file tells a server of the host from one in a container, whose ids are others. Where even root may not follow
 * the links of another user's process (in a container), the command line says the same.
 */
const findScript = `for process in /proc/[0-9]*; do
  pid=\${process#/proc/}
  read -r name 2>/dev/null <"$process/comm" || continue
  case $name in postgres|postmaster) ;; *) continue;; esac
  words=$(tr '\\0' '\\n' <"$process/cmdline" 2>/dev/null)
  program=$(echo "$words" | head -n 1)
  case $program in *:*) continue;; */postgres|*/postmaster|postgres|postmaster) ;; *) continue;; esac
  data=$(readlink "$process/cwd") || data=$(echo "$words" | sed -n -e '/^-D$/{n;p;q' -e '}' -e 's/^-D//p' | head -n 1)
  test "$(head -n 1 "$data/postmaster.pid" 2>/dev/null)" = "$pid" || continue
  program=$(readlink "$process/exe") || program=$(echo "$words" | head -n 1)
  printf '%s\\t%s\\t%s\\t%s\\t%s\\n' "$program" "$(stat -c %U "$process")" "$data" "$(sed -n 4p "$data/postmaster.pid")" "$(sed -n 5p "$data/postmaster.pid")"
done`;

export const findCommand: Command = { argv: ['sh', '-c', findScript], become: 'root' };

/**
 * Data directories at the places where Debian's and Red Hat's packages make them, or where Debian's configuration says they are: as written, with its
 * links resolved, and its port (5432 where no file sets one).
 */
const directoriesScript = `report() {
  test -f "$1/PG_VERSION" || return 0
  port=$(cat "$2" "$1/postgresql.auto.conf" 2>/dev/null | sed -n "s/^[[:space:]]*port[[:space:]]*=*[[:space:]]*'*\\([0-9][0-9]*\\).*/\\1/p" | tail -n 1)
  printf '%s\\t%s\\t%s\\n' "$1" "$(readlink -f "$1")" "\${port:-5432}"
}
for file in /etc/postgresql/*/*/postgresql.conf; do
  test -f "$file" || continue
  report "$(sed -n "s/^[[:space:]]*data_directory[[:space:]]*=*[[:space:]]*'\\([^']*\\)'.*/\\1/p" "$file" | tail -n 1)" "$file"
done
for directory in /var/lib/postgresql/*/* /var/lib/pgsql/data /var/lib/pgsql/*/data; do
  report "$directory" "$directory/postgresql.conf"
done`;

export const directoriesCommand: Command = { argv: ['sh', '-c', directoriesScript], become: 'root' };

/** A data directory without a server. */
export interface StoppedServer {
  readonly dataDirectory: string;
  readonly port: number;
}

const usualDirectories = ['/var/lib/postgresql', '/var/lib/pgsql', '/etc/postgresql'];

/** What was found on one host. */
export interface FoundServers {
  readonly running: readonly Server[];
  /** Of those the option `port` asks for; none where `ignore_stopped` is set. */
  readonly stopped: readonly StoppedServer[];
}

/** The host's servers, at least one of which runs. Errors: SERVICE_DOWN (installed, none runs), SERVICE_MISSING. */
export async function findServers(
  remote: RemoteHost,
  options: PostgresqlOptions,
  signal: AbortSignal,
): Promise<FoundServers> {
  const { stdout } = await remote.run(findCommand, { signal });
  const all = stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => readServer(remote, options, line));
  const wanted = all.filter(({ port }) => options.port === undefined || port === options.port);
  if (wanted.length > 0) {
    const stopped = options.ignore_stopped ? [] : await findStopped(remote, all, signal);
    return {
      running: wanted,
      stopped: stopped.filter(({ port }) => options.port === undefined || port === options.port),
    };
  }
  const host = remote.host.name;
  if (all.length > 0)
    throw new BackupError(
      'SERVICE_MISSING',
      `${host}: no PostgreSQL server listens at port ${String(options.port)}; there are ${all.map(({ port }) => String(port)).join(', ')}`,
      {
        host,
        hint: 'Correct the option postgresql.port of this host.',
      },
    );
  const { found } = await lookAt(remote, usualDirectories, signal);
  if (found.length > 0)
    throw new BackupError(
      'SERVICE_DOWN',
      `${host}: PostgreSQL is installed (${found.map(({ path }) => path).join(', ')}) but no server runs`,
      {
        host,
        hint: 'Start PostgreSQL on this host, or leave it out with --skip.',
      },
    );
  throw new BackupError('SERVICE_MISSING', `${host}: there is no PostgreSQL server on this host`, {
    host,
    hint: 'Take the host out of the group postgresql.',
  });
}

const directoryLine = z.tuple([
  z.string().startsWith('/'),
  z.string().startsWith('/'),
  z.coerce.number().int().positive(),
]);

async function findStopped(
  remote: RemoteHost,
  running: readonly Server[],
  signal: AbortSignal,
): Promise<readonly StoppedServer[]> {
  const { stdout } = await remote.run(directoriesCommand, { signal });
  const stopped = new Map<string, StoppedServer>();
  for (const line of stdout.toString('utf8').split('\n')) {
    if (line === '') continue;
    const parsed = directoryLine.safeParse(line.split('\t'));
    if (!parsed.success)
      throw new BackupError(
        'SERVICE_ANSWER',
        `${remote.host.name}: a PostgreSQL data directory cannot be read: ${JSON.stringify(line)}`,
        { host: remote.host.name, cause: parsed.error },
      );
    const [written, resolved, port] = parsed.data;
    // The configuration that names a directory comes before the directory itself, and knows the port.
    if (running.some(({ dataDirectory }) => [written, resolved].includes(dataDirectory)) || stopped.has(resolved))
      continue;
    stopped.set(resolved, { dataDirectory: resolved, port });
  }
  return [...stopped.values()];
}

const serverLine = z.tuple([
  z.string().startsWith('/'),
  z.string().min(1),
  z.string().startsWith('/'),
  z.coerce.number().int().positive(),
  z.string(),
]);

function readServer(remote: RemoteHost, options: PostgresqlOptions, line: string): Server {
  const parsed = serverLine.safeParse(line.split('\t'));
  if (!parsed.success)
    throw new BackupError(
      'SERVICE_ANSWER',
      `${remote.host.name}: a PostgreSQL server's pid file cannot be read: ${JSON.stringify(line)}`,
      { host: remote.host.name, cause: parsed.error },
    );
  const [program, user, dataDirectory, port, sockets] = parsed.data;
  return {
    host: remote.host.name,
    port,
    // Without a Unix socket only TCP on the host itself is left.
    socketDirectory: sockets === '' ? 'localhost' : sockets,
    dataDirectory,
    binaries: program.replace(/\/[^/]*$/, ''),
    user,
    database: options.maintenance_database,
  };
}

/** A database name as libpq's conninfo, because a plain name that holds `=` or looks like a URI is taken for one itself. */
export function connectionTo(database: string): string {
  return `dbname='${database.replace(/[\\']/g, '\\$&')}'`;
}

export function connectionArguments(server: Server): readonly string[] {
  return ['--no-password', `--host=${server.socketDirectory}`, `--port=${String(server.port)}`];
}

/** psql that reads statements from its standard input and prints bare rows. */
export function psqlCommand(server: Server, database: string): Command {
  return {
    argv: [
      `${server.binaries}/psql`,
      '--no-psqlrc',
      '--quiet',
      '--no-align',
      '--tuples-only',
      ...connectionArguments(server),
      `--dbname=${connectionTo(database)}`,
    ],
    become: server.user,
    env: { PGCLIENTENCODING: 'UTF8', PGAPPNAME: 'lsbackup' },
  };
}

/** Roles with their passwords, tablespaces, grants on parameters. */
export function globalsCommand(server: Server): Command {
  return {
    argv: [
      `${server.binaries}/pg_dumpall`,
      '--globals-only',
      ...connectionArguments(server),
      `--database=${server.database}`,
    ],
    become: server.user,
    env: { PGAPPNAME: 'lsbackup' },
  };
}

export interface DumpRequest {
  readonly database: string;
  /** As pg_export_snapshot gave it. */
  readonly snapshot: string;
  /** Seconds. */
  readonly lockWaitTimeout: number;
}

/** One database as an uncompressed custom archive: compression is the archive's work. */
export function dumpCommand(server: Server, { database, snapshot, lockWaitTimeout }: DumpRequest): Command {
  return {
    argv: [
      `${server.binaries}/pg_dump`,
      '--format=custom',
      '--compress=0',
      `--lock-wait-timeout=${String(lockWaitTimeout)}s`,
      `--snapshot=${snapshot}`,
      ...connectionArguments(server),
      `--dbname=${connectionTo(database)}`,
    ],
    become: server.user,
    env: { PGAPPNAME: 'lsbackup' },
  };
}

/**
 * Runs one statement that answers with one JSON value. Errors: SERVICE_DOWN when the server lets nobody in (starting, stopping, full, no rule for us),
 * SERVICE_ANSWER when the answer is not what was asked for.
 */
export async function queryJson<T>(
  remote: RemoteHost,
  server: Server,
  request: { readonly sql: string; readonly schema: z.ZodType<T>; readonly signal: AbortSignal },
): Promise<T> {
  const command: Command = { ...psqlCommand(server, server.database), accept: [0, 1, 2, 3] };
  const input = Buffer.from(`\\set ON_ERROR_STOP on\n${settings}\n${request.sql};\n`);
  const { stdout, stderr, status } = await remote.run(command, { signal: request.signal, input });
  const place = { host: server.host };
  if (status === 2)
    throw new BackupError(
      'SERVICE_DOWN',
      `${server.host}: PostgreSQL at port ${String(server.port)} does not let us in: ${stderr.trim()}`,
      {
        ...place,
        hint: `Make sure that ${server.user} may connect over the local socket without a password (a peer rule in pg_hba.conf).`,
        retryable: true,
      },
    );
  if (status !== 0)
    throw new BackupError('SERVICE_ANSWER', `${server.host}: PostgreSQL refused a query: ${stderr.trim()}`, place);
  return parseAnswer(stdout.toString('utf8'), request.schema, server.host);
}

/** Parses one line of JSON that psql printed. */
export function parseAnswer<T>(text: string, schema: z.ZodType<T>, host: string): T {
  try {
    return schema.parse(parseJson(text));
  } catch (cause) {
    throw new BackupError(
      'SERVICE_ANSWER',
      `${host}: PostgreSQL's answer is not what was asked for: ${text.slice(0, 200)}`,
      { host, cause },
    );
  }
}

/** What a role or database may have set and that would break a session of ours. */
export const settings = [
  'SET statement_timeout = 0',
  'SET lock_timeout = 60000',
  'SET idle_in_transaction_session_timeout = 0',
  'SET search_path = pg_catalog',
  '',
].join(';\n');
