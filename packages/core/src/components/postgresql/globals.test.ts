import { describe, expect, it } from '@jest/globals';
import { globalsScript, parseGlobals, undoScript } from './globals.js';

const text = String.raw`--
-- PostgreSQL database cluster dump
--
\restrict key
SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a;b' VALID UNTIL '2040-01-01 00:00:00+00';
COMMENT ON ROLE app IS E'it''s; \\ odd';
CREATE ROLE "odd ""role""";
ALTER ROLE "odd ""role""" WITH NOLOGIN;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER LOGIN;
ALTER ROLE app SET search_path TO 'a; b';
ALTER ROLE app IN DATABASE shop SET work_mem TO '4MB';
GRANT app TO "odd ""role""" WITH ADMIN OPTION GRANTED BY postgres;
CREATE TABLESPACE fast OWNER app LOCATION '/srv/it''s fast';
ALTER TABLESPACE fast SET (random_page_cost=1.5);
GRANT CREATE ON TABLESPACE fast TO app;
GRANT SET ON PARAMETER log_statement TO app;
\unrestrict key
`;
const globals = parseGlobals(Buffer.from(text), 'globals.sql');

describe('parseGlobals', () => {
  it('reads roles, memberships and tablespaces', () => {
    expect(globals).toMatchObject({
      roles: ['app', 'odd "role"', 'postgres'],
      memberships: [{ role: 'app', member: 'odd "role"', admin: true }],
      tablespaces: [{ name: 'fast', owner: 'app', location: "/srv/it's fast" }],
    });
  });

  it('refuses what is not UTF-8', () => {
    expect(() => parseGlobals(Buffer.from([0x41, 0xff]), 'x')).toThrow(
      expect.objectContaining({ code: 'RESTORE_REFUSED' }),
    );
  });
});

describe('globalsScript', () => {
  const script = globalsScript(globals, { login: 'postgres', tablespaces: [] });

  it('is one transaction that only its last line commits', () => {
    const lines = script.split('\n');
    expect([lines[0], lines.at(-1)]).toEqual(['BEGIN;', 'COMMIT;']);
    expect(lines.filter((line) => /^(BEGIN|COMMIT|ROLLBACK)/.test(line))).toHaveLength(2);
  });

  it('lets the server decide whether a role is created, and has everything else as it was archived', () => {
    expect(script).toContain(
      String.raw`SELECT 'CREATE ROLE "odd ""role""";' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'odd "role"') \gexec`,
    );
    expect(script).not.toMatch(/^CREATE ROLE/m);
    for (const statement of globals.statements)
      if (/^(ALTER ROLE|COMMENT|GRANT app|GRANT SET)/.test(statement) && !statement.includes('IN DATABASE'))
        expect(script).toContain(`\n${statement}\n`);
    expect(script).not.toMatch(/restrict|IN DATABASE|TABLESPACE/);
  });

  it('has what belongs to tablespaces that are created, but not their creation', () => {
    const more = globalsScript(globals, { login: 'postgres', tablespaces: ['fast'] });
    expect(more).toContain('ALTER TABLESPACE "fast" OWNER TO app;\nALTER TABLESPACE fast SET (random_page_cost=1.5);');
    expect(more).toContain('GRANT CREATE ON TABLESPACE fast TO app;');
    expect(more).not.toContain('LOCATION');
  });

  it.each(['NOSUPERUSER LOGIN', 'SUPERUSER NOLOGIN'])('does not take away our own way in: %s', (attributes) => {
    const own = parseGlobals(Buffer.from(`CREATE ROLE me;\nALTER ROLE me WITH ${attributes};\n`), 'x');
    expect(globalsScript(own, { login: 'me', tablespaces: [] })).not.toContain(attributes);
    expect(globalsScript(own, { login: 'postgres', tablespaces: [] })).toContain(attributes);
  });
});

describe('undoScript', () => {
  it('drops what was not there, and gives the others what they had', () => {
    const copy = parseGlobals(
      Buffer.from(
        "CREATE ROLE app;\nALTER ROLE app WITH NOLOGIN;\nCREATE ROLE other;\nALTER ROLE other WITH LOGIN;\nCOMMENT ON ROLE other IS 'x';\n",
      ),
      'x',
    );
    const script = undoScript(globals, {
      before: { roles: ['app', 'postgres'], memberships: [] },
      copy,
      login: 'postgres',
    });
    expect(script).toMatch(/DROP ROLE %I.*'odd "role"'/);
    expect(script).not.toMatch(/DROP ROLE %I.*'app'/);
    expect(script).toContain('ALTER ROLE app WITH NOLOGIN;');
    expect(script).toContain("REVOKE ALL ON PARAMETER log_statement FROM app'");
    expect(script).not.toContain('other');
  });

  it('takes back a membership, or the right to pass it on', () => {
    const copy = parseGlobals(Buffer.from('CREATE ROLE app;\n'), 'x');
    const undo = (memberships: readonly { role: string; member: string; admin: boolean }[]): string =>
      undoScript(globals, { before: { roles: globals.roles, memberships }, copy, login: 'postgres' });
    const one = { role: 'app', member: 'odd "role"' };
    expect(undo([])).toContain("format('REVOKE %I FROM %I'");
    expect(undo([{ ...one, admin: false }])).toContain("format('REVOKE ADMIN OPTION FOR %I FROM %I'");
    expect(undo([{ ...one, admin: true }])).not.toContain("format('REVOKE");
  });
});
