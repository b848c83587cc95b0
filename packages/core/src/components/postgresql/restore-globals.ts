import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { sqlFormat } from '../../formats/sql.js';
import type { StepContext, StepKind, StepState } from '../restore.js';
import { globalsScript, parseGlobals, undoScript, type Globals } from './globals.js';
import { globalsCommand } from './server.js';
import { ask, endEarlier, execute, placeOf, serverSchema, type Place } from './sql-session.js';

const paramsSchema = z.object({
  server: serverSchema,
  sessions: z.string(),
  /** In the archive. */
  globals: z.string(),
  /** Where the server's own are kept on its host, in a directory of this run; those of the archive beside them (`archivedBeside`). */
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
 * journal. What it gets is kept beside it, because undoing must know both and may have no archive any more. A third file there says that it was done.
 */
export const restoreGlobals: StepKind<GlobalsParams, GlobalsUndo> = {
  name: 'postgresql.restore-globals',
  params: paramsSchema,
  undo: undoSchema,
  async prepare(context, params) {
    const place = await placeOf(context, params.server, params.sessions);
    const before = await ask(place, beforeSql, undoSchema);
    const archived = parseGlobals(await readArchived(context, params), params.globals);
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
    const { keep, tablespaces } = params;
    const archived = await readArchived(context, params);
    if ((await stateOf(place, keep)) === 'not done') {
      await keepFile(place, archivedBeside(keep), archived);
      await keepFile(place, keep, await presentGlobals(place));
    }
    await execute(place, { sql: globalsScript(parseGlobals(archived, params.globals), { login, tablespaces }) });
    await asRoot(place, markScript, keep);
  },
  async probe(context, params) {
    return stateOf(await quietPlace(context, params), params.keep);
  },
  async revert(context, params, before) {
    const place = await quietPlace(context, params);
    const { keep } = params;
    if ((await stateOf(place, keep)) !== 'not done') {
      const copy = await readKept(place, keep);
      const archived = await readKept(place, archivedBeside(keep));
      await execute(place, { sql: undoScript(archived, { before, copy, login: before.login }) });
    }
    await asRoot(place, dropScript, keep);
  },
  old: {
    describe: ({ keep }) => `the roles as they were, in ${keep}`,
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

async function presentGlobals({ remote, server, signal }: Place): Promise<Buffer> {
  return buffer(await remote.read(globalsCommand(server), { signal }));
}

async function readArchived(context: StepContext, { globals }: GlobalsParams): Promise<Buffer> {
  return buffer(await context.read(globals));
}

function archivedBeside(keep: string): string {
  return `${keep}.archived`;
}

const beforeSql = `SELECT json_build_object('login', session_user, 'roles', (SELECT json_agg(rolname) FROM pg_roles),
  'memberships', (SELECT coalesce(json_agg(json_build_object('role', pg_get_userbyid(roleid), 'member', pg_get_userbyid(member), 'admin', admin_option)), '[]') FROM pg_auth_members))`;

// A copy counts from the moment it has its name, which it gets only whole and on the disk. Those of the archive come before the server's own and go after them, so they
// are there wherever the state is not `not done`. Beside them lies the mark. The run's directory, and those above, go with the last of their files.
const keepScript =
  'umask 077; mkdir -p "${1%/*}" && cat >"$1.part" && test "$(wc -c <"$1.part")" -eq "$2" && { sync -f -- "$1.part" 2>/dev/null || sync; } && mv "$1.part" "$1"';
const markScript = 'umask 077; : >"$1.done"';
const stateScript = 'test -e "$1" || exit 0; test -e "$1.done" && echo done || echo half';
const dropScript =
  'rm -f "$1.part" "$1.done" "$1" && rm -f "$1.archived.part" "$1.archived"; rmdir "${1%/*}" 2>/dev/null; rmdir "${1%/*/*}" 2>/dev/null; rmdir "${1%/*/*/*}" 2>/dev/null; test ! -e "$1" && test ! -e "$1.archived"';

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
async function keepFile({ remote, signal }: Place, file: string, content: Buffer): Promise<void> {
  checkWhole(content);
  const command = rootCommand(keepScript, file, String(content.length));
  await remote.write(command, Readable.from([content]), { signal });
}

async function readKept({ remote, signal }: Place, file: string): Promise<Globals> {
  const { stdout } = await remote.run({ argv: ['cat', file], become: 'root' }, { signal });
  checkWhole(stdout);
  return parseGlobals(stdout, file);
}

/** Errors: FORMAT_INVALID when its end is missing: `cat` takes what was cut for whole. */
function checkWhole(content: Buffer): void {
  const check = sqlFormat.check();
  check.write(content);
  check.end();
}
