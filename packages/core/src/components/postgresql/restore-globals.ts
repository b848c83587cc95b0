import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { sqlFormat } from '../../formats/sql.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { StepContext, StepKind, StepState } from '../restore.js';
import { globalsScript, parseGlobals, undoScript, type Globals } from './globals.js';
import { globalsCommand } from './server.js';
import { ask, endEarlier, execute, placeOf, serverSchema, type Place } from './sql-session.js';

const paramsSchema = z.object({
  server: serverSchema,
  sessions: z.string(),
  /** In the archive. */
  globals: z.string(),
  /** Where the server's own are kept on its host, in a directory of this run. */
  keep: z.string(),
  /** Those that this restore creates. */
  tablespaces: z.array(z.string()),
});
type GlobalsParams = z.infer<typeof paramsSchema>;

const undoSchema = z.object({
  login: z.string(),
  roles: z.array(z.string()),
  memberships: z.array(z.object({ role: z.string(), member: z.string(), admin: z.boolean() })),
});
type GlobalsUndo = z.infer<typeof undoSchema>;

/**
 * Makes the server's roles those of the archive. What the server had, password hashes too, is kept on its own host, for root alone: never in the
 * journal. A second file there says that it was done.
 */
export const restoreGlobals: StepKind<GlobalsParams, GlobalsUndo> = {
  name: 'postgresql.restore-globals',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, params) {
    const place = await placeOf(context, params.server, params.sessions);
    const before = await ask(place, beforeSql, undoSchema);
    const archived = await archivedGlobals(context, params);
    const isMeant = (one: { role: string; member: string }): boolean =>
      archived.memberships.some(({ role, member }) => role === one.role && member === one.member);
    return {
      login: before.login,
      roles: before.roles.filter((role) => archived.roles.includes(role)),
      memberships: before.memberships.filter(isMeant),
    };
  },
  async apply(context, params, { login }) {
    const place = await quietPlace(context, params);
    const { keep, server, tablespaces } = params;
    if ((await stateOf(place, keep)) === 'not done') await keepOld(place, server, keep);
    await execute(place, { sql: globalsScript(await archivedGlobals(context, params), { login, tablespaces }) });
    await asRoot(place, markScript, keep);
  },
  async probe(context, params) {
    return stateOf(await quietPlace(context, params), params.keep);
  },
  async revert(context, params, before) {
    const place = await quietPlace(context, params);
    if ((await stateOf(place, params.keep)) === 'not done') return;
    const copy = parseGlobals(await readKept(place, params.keep), params.keep);
    const globals = await archivedGlobals(context, params);
    await execute(place, { sql: undoScript(globals, { before, copy, login: before.login }) });
    await asRoot(place, dropScript, params.keep);
  },
  old: {
    describe: ({ server, keep }) => `${server.host}: ${keep}: the roles as they were`,
    async drop(context, { server, sessions, keep }) {
      await asRoot(await placeOf(context, server, sessions), dropScript, keep);
    },
  },
};

async function quietPlace(context: StepContext, { server, sessions }: GlobalsParams): Promise<Place> {
  const place = await placeOf(context, server, sessions);
  await endEarlier(place);
  return place;
}

async function archivedGlobals(context: StepContext, { globals }: GlobalsParams): Promise<Globals> {
  return parseGlobals(await buffer(await context.read(globals)), globals);
}

const beforeSql = `SELECT json_build_object('login', session_user, 'roles', (SELECT json_agg(rolname) FROM pg_roles),
  'memberships', (SELECT coalesce(json_agg(json_build_object('role', pg_get_userbyid(roleid), 'member', pg_get_userbyid(member), 'admin', admin_option)), '[]') FROM pg_auth_members))`;

// The copy counts from the moment it has its name, which it gets only whole; beside it lies the mark. The run's directory goes with the last of its files.
const keepScript =
  'umask 077; mkdir -p "${1%/*}" && cat >"$1.part" && test "$(wc -c <"$1.part")" -eq "$2" && mv "$1.part" "$1"';
const markScript = ': >"$1.done"';
const stateScript = 'test -e "$1" || exit 0; test -e "$1.done" && echo done || echo half';
const dropScript =
  'rm -f "$1.part" "$1.done" "$1"; rmdir "${1%/*}" 2>/dev/null; rmdir "${1%/*/*}" 2>/dev/null; test ! -e "$1"';

function rootCommand(
  script: string,
  ...values: readonly string[]
): { readonly argv: readonly string[]; readonly become: 'root' } {
  return { argv: ['sh', '-c', script, 'sh', ...values], become: 'root' };
}

async function asRoot({ remote, signal }: Place, script: string, keep: string): Promise<string> {
  return (await remote.run(rootCommand(script, keep), { signal })).stdout.toString('utf8').trim();
}

async function stateOf(place: Place, keep: string): Promise<StepState> {
  const state = await asRoot(place, stateScript, keep);
  return state === 'done' || state === 'half' ? state : 'not done';
}

/** Over this process, because root does not run the server's programs; on no disk but the host's. */
async function keepOld({ remote, signal }: Place, server: GlobalsParams['server'], keep: string): Promise<void> {
  const content = await wholeGlobals(remote, server, signal);
  const command = rootCommand(keepScript, keep, String(content.length));
  await remote.write(command, Readable.from([content]), { signal });
}

async function wholeGlobals(remote: RemoteHost, server: GlobalsParams['server'], signal: AbortSignal): Promise<Buffer> {
  const content = await buffer(await remote.read(globalsCommand(server), { signal }));
  checkWhole(content);
  return content;
}

async function readKept({ remote, signal }: Place, keep: string): Promise<Buffer> {
  const { stdout } = await remote.run({ argv: ['cat', keep], become: 'root' }, { signal });
  checkWhole(stdout);
  return stdout;
}

/** Errors: FORMAT_INVALID when its end is missing: `cat` takes what was cut for whole. */
function checkWhole(content: Buffer): void {
  const check = sqlFormat.check();
  check.write(content);
  check.end();
}
