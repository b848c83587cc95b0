import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import type { Command } from '../../remote/remote-host.js';
import type { RestoreContext } from '../restore.js';
import { componentName } from './artifacts.js';
import { createOption } from './dump-head.js';
import type { Globals } from './globals.js';
import type { DatabasePlan } from './database-steps.js';
import type { PostgresqlOptions } from './options.js';
import type { Target } from './restore-target.js';

/** The C library's locales by any spelling of their encodings. 127: there is no such program (musl has none), so nothing is listed. */
export const localesCommand: Command = { argv: ['locale', '-a'], accept: [0, 127] };
const existsScript = 'for path do test -d "$path" && echo yes || echo no; done';

interface Wanted {
  readonly globals: Globals | undefined;
  readonly plans: readonly DatabasePlan[];
}

/**
 * Refuses what cannot end well, before anything is touched. Errors: RESTORE_REFUSED naming the database and what is missing, HOST_SPACE.
 */
export async function refuseMissing(
  context: RestoreContext<PostgresqlOptions>,
  target: Target,
  { globals, plans }: Wanted,
): Promise<void> {
  const { catalogue } = target;
  const locales = await localesOf(context, target);
  for (const plan of plans) {
    const refuse = (what: string, hint: string): never => refusal(target, `database ${plan.name} needs ${what}`, hint);
    const others = plans.filter((one) => one !== plan).map((one) => `--select postgresql.database=${one.name}`);
    const leaveOut = others.length === 0 ? '' : `, or restore the others: ${nameList(others)}`;
    const lacking = (needed: readonly string[], there: readonly string[]): readonly string[] =>
      needed.filter((name) => !there.includes(name));
    const extensions = lacking(plan.head.extensions, catalogue.extensions);
    if (extensions.length > 0)
      refuse(`extensions that the server does not have: ${nameList(extensions)}`, `Install their packages${leaveOut}.`);
    const tablespaces = lacking(plan.head.tablespaces, [
      ...catalogue.tablespaces,
      ...(globals?.tablespaces ?? []).map(({ name }) => name),
    ]);
    if (tablespaces.length > 0)
      refuse(`tablespaces that the server does not have: ${nameList(tablespaces)}`, `Create them${leaveOut}.`);
    const roles = lacking([plan.head.owner, ...plan.head.roles], [...catalogue.roles, ...(globals?.roles ?? [])]);
    if (roles.length > 0)
      refuse(
        `roles that the server does not have: ${nameList([...new Set(roles)])}`,
        `Create them, restore the roles of the archive too with --select postgresql.globals=yes${leaveOut}.`,
      );
    const locale = localesIn(plan.head.createOptions).find((name) => !hasLocale(locales, name));
    if (locale !== undefined)
      refuse(`the locale ${locale}, which ${target.server.host} does not have`, `Create it (locale-gen)${leaveOut}.`);
  }
  await refuseNoSpace(context, target, plans);
}

function refusal({ server }: Target, what: string, hint: string): never {
  throw new BackupError('RESTORE_REFUSED', `${server.host}: ${what}`, {
    host: server.host,
    component: componentName,
    hint,
  });
}

/** Those of the C library; ICU brings its own. */
function localesIn(createOptions: string): readonly string[] {
  const names = createOption(createOptions, 'LOCALE_PROVIDER') === 'icu' ? [] : ['LOCALE'];
  return [...names, 'LC_COLLATE', 'LC_CTYPE'].flatMap((key) => createOption(createOptions, key) ?? []);
}

function plainLocale(name: string): string {
  return name.toLowerCase().replaceAll('-', '');
}

async function localesOf(
  { signal }: RestoreContext<PostgresqlOptions>,
  { remote, catalogue }: Target,
): Promise<readonly string[]> {
  const { stdout } = await remote.run(localesCommand, { signal });
  const listed = stdout.toString('utf8').split('\n').filter(Boolean);
  return listed.length === 0 ? [] : [...listed, ...catalogue.locales, 'C', 'POSIX'];
}

/** Also where the host lists none. */
export function hasLocale(locales: readonly string[], name: string): boolean {
  return locales.length === 0 || locales.some((one) => plainLocale(one) === plainLocale(name));
}

/** Of paths on the target's host, those that are no directories. */
export async function missingDirectories(
  { signal }: RestoreContext<PostgresqlOptions>,
  { remote }: Target,
  paths: readonly string[],
): Promise<readonly string[]> {
  if (paths.length === 0) return [];
  const { stdout } = await remote.run({ argv: ['sh', '-c', existsScript, 'sh', ...paths], become: 'root' }, { signal });
  const answers = stdout.toString('utf8').split('\n');
  return paths.filter((_path, index) => answers[index] !== 'yes');
}

/** What is loaded lies beside what is there. Databases in tablespaces of their own are not counted. */
async function refuseNoSpace(
  { signal }: RestoreContext<PostgresqlOptions>,
  { remote, server }: Target,
  plans: readonly DatabasePlan[],
): Promise<void> {
  const needed = plans
    .filter(({ head }) => head.tablespaces.length === 0)
    .reduce((sum, { baseline }) => sum + (baseline.size ?? 0), 0);
  const command: Command = { argv: ['df', '-Pk', server.dataDirectory], become: 'root' };
  const { stdout } = await remote.run(command, { signal });
  const free = Number(stdout.toString('utf8').trim().split('\n').at(-1)?.split(/\s+/)[3] ?? '') * 1024;
  if (!(needed > free)) return;
  const mebibytes = (bytes: number): string => String(Math.ceil(bytes / 1024 / 1024));
  throw new BackupError(
    'HOST_SPACE',
    `${server.host}: the databases need ${mebibytes(needed)} MiB beside those that are there, ${server.dataDirectory} has ${mebibytes(free)} MiB`,
    {
      host: server.host,
      component: componentName,
      hint: 'Make room, or restore some of them with --select postgresql.database=NAME.',
    },
  );
}
