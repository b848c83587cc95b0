import { BackupError } from '../../model/errors.js';
import { nameOf, quoteName, quoteText, statementsOf, wordsOf } from './sql-text.js';
import { run, transaction } from './sql-session.js';

/** What `pg_dumpall --globals-only` wrote. */
export interface Globals {
  readonly statements: readonly string[];
  readonly roles: readonly string[];
  readonly tablespaces: readonly Tablespace[];
  readonly memberships: readonly Membership[];
}

export interface Tablespace {
  readonly name: string;
  readonly owner: string;
  readonly location: string;
}

/** `admin`: the member may pass it on. */
export type Membership = Readonly<{ role: string; member: string; admin: boolean }>;

/**
 * Reads the statements of a globals.sql: one kind of statement each, as pg_dumpall.c writes them. Errors: RESTORE_REFUSED when it is not UTF-8, which
 * pg_dumpall writes only where the server's own databases are in another encoding.
 */
export function parseGlobals(content: Uint8Array, path: string): Globals {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch (cause) {
    throw new BackupError('RESTORE_REFUSED', `${path} is not UTF-8`, { hint: 'Run it by hand with psql.', cause });
  }
  const statements = statementsOf(text);
  const words = statements.map(wordsOf);
  return {
    statements,
    roles: words.filter(isOf('CREATE', 'ROLE')).map(([, , name = '']) => nameOf(name)),
    tablespaces: words.filter(isOf('CREATE', 'TABLESPACE')).map(tablespaceOf),
    memberships: words.flatMap(membershipOf),
  };
}

function isOf(...beginning: readonly string[]): (words: readonly string[]) => boolean {
  return (words) => beginning.every((word, index) => words[index] === word);
}

/** `CREATE TABLESPACE x OWNER y LOCATION 'z';` */
function tablespaceOf(words: readonly string[]): Tablespace {
  const after = (key: string): string => words[words.indexOf(key) + 1] ?? '';
  const location = after('LOCATION');
  return {
    name: nameOf(words[2] ?? ''),
    owner: nameOf(after('OWNER')),
    location: location.slice(location.indexOf("'") + 1, -1).replaceAll("''", "'"),
  };
}

/** `GRANT role TO member ...;`, which has neither a list nor `ON`. */
function membershipOf(words: readonly string[]): readonly Membership[] {
  const [grant, role = '', to, member = ''] = words;
  if (grant !== 'GRANT' || to !== 'TO') return [];
  const option = words.indexOf('ADMIN');
  const admin = option !== -1 && words[option + 1] !== 'FALSE';
  return [{ role: nameOf(role), member: nameOf(member), admin }];
}

/** What a statement of globals is about, as far as it decides whether it is run. */
interface Subject {
  readonly what: 'role' | 'tablespace' | 'database' | 'session' | 'other';
  readonly name: string;
  readonly creates: boolean;
}

function subjectOf(words: readonly string[]): Subject {
  const [verb = '', object = '', third = ''] = words;
  if ((verb === 'CREATE' || verb === 'ALTER') && object === 'ROLE')
    return words[3] === 'IN' && words[4] === 'DATABASE'
      ? { what: 'database', name: '', creates: false }
      : { what: 'role', name: nameOf(third), creates: verb === 'CREATE' };
  if ((verb === 'CREATE' || verb === 'ALTER') && object === 'TABLESPACE')
    return { what: 'tablespace', name: nameOf(third), creates: verb === 'CREATE' };
  const on = words.indexOf('ON');
  if (on !== -1 && words[on + 1] === 'TABLESPACE')
    return { what: 'tablespace', name: nameOf(words[on + 2] ?? ''), creates: false };
  if (verb === 'SET' && object === 'default_transaction_read_only')
    return { what: 'session', name: '', creates: false };
  return { what: 'other', name: '', creates: false };
}

export interface GlobalsPlan {
  /** The role we are logged in as: nothing may take away what lets us in. */
  readonly login: string;
  /** Tablespaces that this restore created; what the archive says of others is left out. */
  readonly tablespaces: readonly string[];
  /** Unless it is set, all. */
  readonly roles?: readonly string[];
}

/**
 * The script that makes a server's roles those of the archive, in one transaction. A role that is there already keeps its memberships and gets the
 * archive's attributes, password and settings, each of them: what the archive has not set is unset.
 */
export function globalsScript(globals: Globals, plan: GlobalsPlan): string {
  return transaction(globals.statements.flatMap((statement) => asPlanned(statement, plan)));
}

function asPlanned(statement: string, { login, tablespaces, roles }: GlobalsPlan): readonly string[] {
  const words = wordsOf(statement);
  const { what, name, creates } = subjectOf(words);
  if (what === 'database' || what === 'session') return [];
  if (what === 'other') return [statement];
  if (what === 'tablespace') {
    if (!tablespaces.includes(name)) return [];
    return creates ? [`ALTER TABLESPACE ${quoteName(name)} OWNER TO ${words[4] ?? ''};`] : [statement];
  }
  if (roles?.includes(name) === false) return [];
  if (creates) return [createRole(name, statement), resetRole(name)];
  return name === login && locksOut(words) ? [] : [statement];
}

/** Statements that would leave us without a way in, or without the right to put it back. */
export function locksOut(words: readonly string[]): boolean {
  return words.includes('NOSUPERUSER') || words.includes('NOLOGIN');
}

/** Whether a role is there is decided by the server, in the same transaction. */
function createRole(name: string, statement: string): string {
  return run(
    `SELECT ${quoteText(statement)} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteText(name)})`,
  );
}

/** What ALTER ROLE leaves as it is where it does not name it. A time of validity can only be made infinite. */
function resetRole(name: string): string {
  return [
    run(
      `SELECT format('ALTER ROLE %I CONNECTION LIMIT -1 PASSWORD NULL' || CASE WHEN rolvaliduntil IS NULL THEN '' ELSE ' VALID UNTIL ''infinity''' END, rolname) FROM pg_roles WHERE rolname = ${quoteText(name)}`,
    ),
    `ALTER ROLE ${quoteName(name)} RESET ALL;`,
    `COMMENT ON ROLE ${quoteName(name)} IS NULL;`,
  ].join('\n');
}

export interface GlobalsBefore {
  /** Those of the archive's roles that were there before. */
  readonly roles: readonly string[];
  /** Those of the archive's memberships that were there before. */
  readonly memberships: readonly Membership[];
}

/**
 * The script that takes back what `globalsScript` did: roles that were not there are dropped, others get what the copy from before says. Fails
 * where a dropped one owns something by now.
 */
export function undoScript(
  globals: Globals,
  { before, copy, login }: { readonly before: GlobalsBefore; readonly copy: Globals; readonly login: string },
): string {
  const created = globals.roles.filter((role) => !before.roles.includes(role));
  const ofOld = globals.memberships.filter(({ role, member }) => !created.includes(role) && !created.includes(member));
  const old = onlyRoles(copy, before.roles);
  return transaction([
    ...ofOld.flatMap((membership) => takeBack(membership, before)),
    ...globals.statements.filter((statement) => !copy.statements.includes(statement)).flatMap(revokeParameter),
    ...created.map(dropRole),
    ...old.statements.flatMap((statement) => asPlanned(statement, { login, tablespaces: [], roles: before.roles })),
  ]);
}

/** A copy without what is about other roles than these; memberships between them stay. */
function onlyRoles(copy: Globals, roles: readonly string[]): Globals {
  return {
    ...copy,
    statements: copy.statements.filter((statement) => {
      const words = wordsOf(statement);
      const about = membershipOf(words);
      if (about.length > 0) return about.every(({ role, member }) => roles.includes(role) || roles.includes(member));
      if (words[0] === 'COMMENT') return roles.includes(nameOf(words[3] ?? ''));
      return true;
    }),
  };
}

function takeBack({ role, member, admin }: Membership, { memberships }: GlobalsBefore): readonly string[] {
  const old = memberships.find((one) => one.role === role && one.member === member);
  if (old !== undefined && (old.admin || !admin)) return [];
  const what = old === undefined ? '' : 'ADMIN OPTION FOR ';
  return [
    run(
      `SELECT format('REVOKE ${what}%I FROM %I', r.rolname, m.rolname) FROM pg_auth_members JOIN pg_roles AS r ON r.oid = roleid JOIN pg_roles AS m ON m.oid = member WHERE r.rolname = ${quoteText(role)} AND m.rolname = ${quoteText(member)}`,
    ),
  ];
}

/** `GRANT SET ON PARAMETER x TO y;`, since 15. */
function revokeParameter(statement: string): readonly string[] {
  const words = wordsOf(statement);
  const [on, to] = [words.indexOf('PARAMETER'), words.indexOf('TO')];
  if (words[0] !== 'GRANT' || on === -1 || to === -1) return [];
  const [parameter, role] = [words.slice(on + 1, to).join(''), words[to + 1] ?? ''];
  const revoke = quoteText(`REVOKE ALL ON PARAMETER ${parameter} FROM ${role}`);
  return [run(`SELECT ${revoke} WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteText(nameOf(role))})`)];
}

/** What globals gave it is taken back first: rights on tablespaces, and tablespaces themselves. */
function dropRole(role: string): string {
  const name = quoteText(role);
  return [
    run(
      `SELECT format('ALTER TABLESPACE %I OWNER TO CURRENT_USER', spcname) FROM pg_tablespace WHERE pg_get_userbyid(spcowner) = ${name}`,
    ),
    run(
      `SELECT DISTINCT format('REVOKE ALL ON TABLESPACE %I FROM %I', spcname, ${name}::text) FROM pg_tablespace, aclexplode(spcacl) WHERE pg_get_userbyid(grantee) = ${name}`,
    ),
    run(`SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname = ${name}`),
  ].join('\n');
}
