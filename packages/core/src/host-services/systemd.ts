import { BackupError } from '../model/errors.js';
import type { Command, RemoteHost } from '../remote/remote-host.js';
import { parseEnvironmentFile } from './environment-file.js';

/** A systemd service as the host knows it. */
export interface Service {
  /** With its suffix: `haproxy.service`. */
  readonly unit: string;
  /** `active`, `inactive`, `failed`, ... */
  readonly state: string;
  readonly running: boolean;
  /** The running main process's own command line; of a service that does not run, what its unit would start. */
  readonly arguments: readonly string[];
  readonly workingDirectory: string;
  readonly user: string;
  /** The unit file, its drop-ins and environment files, as far as the unit names them; they need not exist. */
  readonly files: readonly string[];
}

const properties = [
  'Id',
  'LoadState',
  'ActiveState',
  'MainPID',
  'ExecStart',
  'Environment',
  'EnvironmentFiles',
  'FragmentPath',
  'DropInPaths',
  'WorkingDirectory',
  'User',
] as const;

const noProgram = 127;
/** As in a container. A unit that is not there is no failure of `systemctl show`: its LoadState is `not-found`. */
const noSystemd = 'not been booted with systemd';

export function showCommand(units: readonly string[]): Command {
  return {
    argv: ['systemctl', 'show', '--no-pager', `--property=${properties.join(',')}`, '--', ...units],
    accept: [0, 1, noProgram],
  };
}

/**
 * Those of `units` (names with their suffix) that the host has, running ones first, otherwise in the order asked. No systemd: none.
 * Errors: SERVICE_ANSWER when systemd does not answer, which must not look like a service that is not there.
 */
export async function findServices(
  remote: RemoteHost,
  units: readonly string[],
  signal: AbortSignal,
): Promise<readonly Service[]> {
  const { stdout, stderr, status } = await remote.run(showCommand(units), { signal });
  if (status === noProgram || stderr.includes(noSystemd)) return [];
  if (status !== 0)
    throw new BackupError('SERVICE_ANSWER', `${remote.host.name}: systemctl does not answer: ${stderr.trim()}`, {
      host: remote.host.name,
      retryable: true,
    });
  const blocks = parseShow(stdout.toString('utf8')).filter(exists);
  const distinct = [...new Map(blocks.map((block) => [one(block, 'Id'), block])).values()];
  const services = await Promise.all(distinct.map((block) => readService(remote, block, signal)));
  return [...services.filter(({ running }) => running), ...services.filter(({ running }) => !running)];
}

/**
 * A unit that was masked or whose file is gone may still run, and one with a bad setting is there (`systemctl show`, LoadState and ActiveState:
 * org.freedesktop.systemd1(5)).
 */
function exists(block: Block): boolean {
  if (!['masked', 'not-found'].includes(one(block, 'LoadState'))) return true;
  return !['inactive', 'failed', ''].includes(one(block, 'ActiveState'));
}

type Block = ReadonlyMap<string, readonly string[]>;

/** The output of `systemctl show`: blocks of `KEY=value` lines with an empty line between; a key may come several times. */
function parseShow(text: string): readonly Block[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const values = new Map<string, string[]>();
      for (const line of block.split('\n')) {
        const equals = line.indexOf('=');
        if (equals < 0) continue;
        const key = line.slice(0, equals);
        values.set(key, [...(values.get(key) ?? []), line.slice(equals + 1)]);
      }
      return values;
    });
}

function one(block: Block, key: string): string {
  return block.get(key)?.[0] ?? '';
}

async function readService(remote: RemoteHost, block: Block, signal: AbortSignal): Promise<Service> {
  const environmentFiles = (block.get('EnvironmentFiles') ?? [])
    .map((line) => line.replace(/ \(ignore_errors=\w+\)$/, ''))
    .filter((path) => path.startsWith('/'));
  const state = one(block, 'ActiveState');
  const running = state === 'active' || state === 'reloading';
  return {
    unit: one(block, 'Id'),
    state,
    running,
    arguments:
      (running ? await runningArguments(remote, one(block, 'MainPID'), signal) : undefined) ??
      (await unitArguments(remote, { block, environmentFiles, signal })),
    workingDirectory: one(block, 'WorkingDirectory').replace(/^!/, '') || '/',
    user: one(block, 'User') || 'root',
    files: [one(block, 'FragmentPath'), ...one(block, 'DropInPaths').split(' '), ...environmentFiles].filter((path) =>
      path.startsWith('/'),
    ),
  };
}

/** What the process was really started with. Undefined when there is no main process or it has just gone. */
async function runningArguments(
  remote: RemoteHost,
  pid: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (!/^[1-9]\d*$/.test(pid)) return undefined;
  const { stdout, status } = await remote.run(
    { argv: ['cat', `/proc/${pid}/cmdline`], become: 'root', accept: [0, 1] },
    { signal },
  );
  if (status !== 0 || stdout.length === 0) return undefined;
  return stdout.toString('utf8').replace(/\0$/, '').split('\0');
}

async function unitArguments(
  remote: RemoteHost,
  unit: { block: Block; environmentFiles: readonly string[]; signal: AbortSignal },
): Promise<readonly string[]> {
  const command = execArguments(one(unit.block, 'ExecStart'));
  if (!command.some((argument) => argument.includes('$'))) return command;
  const variables = parseEnvironment((unit.block.get('Environment') ?? []).join(' '));
  for (const file of unit.environmentFiles) {
    const { stdout, status } = await remote.run(
      { argv: ['cat', '--', file], become: 'root', accept: [0, 1] },
      { signal: unit.signal },
    );
    if (status === 0)
      for (const [name, value] of parseEnvironmentFile(stdout.toString('utf8'))) variables.set(name, value);
  }
  return expandArguments(command, variables);
}

/** The words of `argv[]=` in an `ExecStart` property. systemd prints them unquoted, so a word with a blank in it comes apart. */
export function execArguments(property: string): readonly string[] {
  const match = /argv\[\]=(.*?) ; (?:ignore_errors|flags)=/s.exec(property);
  return match?.[1]?.split(/\s+/).filter((word) => word !== '') ?? [];
}

/** systemd's rule: a word that is `$NAME` becomes the words of its value, `${NAME}` inside a word is replaced by it whole. */
export function expandArguments(words: readonly string[], variables: ReadonlyMap<string, string>): readonly string[] {
  return words.flatMap((word) => {
    const whole = /^\$(\w+)$/.exec(word)?.[1];
    if (whole !== undefined) return (variables.get(whole) ?? '').split(/\s+/).filter((part) => part !== '');
    return [word.replace(/\$\{(\w+)\}/g, (_match, name: string) => variables.get(name) ?? '')];
  });
}

function parseEnvironment(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [, quoted, plain] of text.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)) {
    const assignment = /^(\w+)=(.*)$/s.exec(quoted ?? plain ?? '');
    if (assignment?.[1] !== undefined) variables.set(assignment[1], assignment[2] ?? '');
  }
  return variables;
}
