import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Json } from '../../model/json.js';
import { silentLogger } from '../../model/logger.js';
import { FakeHost } from '../../testing/fake-host.js';
import type { StepContext } from '../restore.js';
import type { DatabaseState } from './pg-databases.js';
import { server } from './postgresql.test-support.js';
import { stepKinds } from './step-kinds.js';

const globals = readFileSync(join(import.meta.dirname, 'fixtures', 'pg15-globals.sql'));
const loaded: DatabaseState = {
  oid: 2,
  name: 'lsbackup_new',
  owner: 'x',
  encoding: 'UTF8',
  allow: false,
  limit: -1,
  mark: 'verified',
  sessions: 0,
  prepared: [],
};
const names = { server, newName: 'lsbackup_new', name: 'app', oldName: 'app.old' };

const whole = {
  place: { ...server, unit: 'postgresql@15-main.service' },
  directory: '/var/lib/postgresql/15/.lsbackup-x-main',
};

interface Case {
  readonly params: Json;
  readonly undo: Json;
  readonly database?: Partial<DatabaseState>;
  readonly state?: 'ready' | 'stopped';
}

/** Each kind as the journal has it, and what the server shows of databases and itself once it is done. */
const cases: Readonly<Record<string, Case>> = {
  'postgresql.create-tablespace': {
    params: { server, sessions: 'x', name: 'fast', location: '/srv/fast' },
    undo: null,
  },
  'postgresql.restore-globals': {
    params: {
      ...{ server, sessions: 'x', globals: 'postgresql/db1/globals.sql' },
      ...{ keep: '/var/lib/lsbackup/restores/x/globals.sql', tablespaces: [] },
    },
    undo: { login: 'postgres', roles: ['postgres'], memberships: [] },
  },
  'postgresql.load-database': {
    params: { ...names, dump: 'd', database: 'd', createOptions: '', owner: 'x' },
    undo: null,
  },
  'postgresql.verify-database': {
    params: { ...names, database: 'app', owner: 'x', versionNumber: 150_000, countRows: 1, baseline: {}, standbys: [] },
    undo: null,
  },
  'postgresql.hold-off-clients': { params: names, undo: { oid: 1 }, database: { name: 'app' } },
  'postgresql.swap-databases': { params: names, undo: { newOid: 2, oldOid: 1 }, database: { name: 'app' } },
  'postgresql.let-in-clients': {
    params: { ...names, owner: 'x' },
    undo: { oid: 2, oldOid: 1 },
    database: { name: 'app', allow: true },
  },
  'postgresql.stage-server': {
    params: { ...whole, artifact: 'postgresql/db1/base.tar', entries: 1, bytes: 1, configuration: [] },
    undo: null,
  },
  'postgresql.stop-server': { params: whole, undo: null, state: 'stopped' },
  'postgresql.swap-data-directory': { params: whole, undo: { newId: '1:2', oldId: '1:3' }, state: 'stopped' },
  'postgresql.start-server': { params: whole, undo: { hasOld: true } },
  'postgresql.check-server': {
    params: { ...whole, systemIdentifier: '1', versionNumber: 150_000, countRows: 1, databases: [], baselines: {} },
    undo: null,
  },
};

/** A server on which a step is done, and which takes whatever undoes it. */
function serverWith(database: Partial<DatabaseState>, first: string): FakeHost {
  let state = first;
  return new FakeHost({
    name: 'db1',
    rules: [
      {
        argv: /\/psql /,
        answer: (_command, input) => ({
          stdout: [
            ...(input.includes('pg_terminate_backend') ? ['[]'] : []),
            ...(input.includes('FROM pg_database AS d')
              ? [
                  JSON.stringify([
                    { ...loaded, ...database },
                    { ...loaded, oid: 1, name: 'before' },
                  ]),
                ]
              : []),
            ...(input.includes('SELECT to_json(EXISTS') ? ['true'] : []),
          ].join('\n'),
        }),
      },
      { argv: /^sh -c state=/, answer: () => ({ stdout: `${state}\nloaded\n` }) },
      {
        argv: /^systemctl (?:start|stop|reset-failed)/,
        answer: ({ argv }) => {
          if (argv[1] !== 'reset-failed') state = argv[1] === 'start' ? 'ready' : 'stopped';
          return {};
        },
      },
      { argv: /^sh -c \[ -d/, answer: {} },
      { argv: /^sh -c id\(\)(?:.|\n)*mv -T/, answer: {} },
      { argv: /^sh -c (?:.|\n)*echo done/, answer: { stdout: 'done\n' } },
      { argv: /^sh -c (?:.|\n)*rm -r?f/, answer: {} },
      { argv: /^cat /, answer: { stdout: globals } },
    ],
  });
}

/** As a rollback has it when the archive is gone. */
function withoutArchive(host: FakeHost): StepContext {
  return {
    runId: '20261122T101500Z-4f1c9a2b',
    remote: () => Promise.resolve(host),
    read: (path) => Promise.reject(new Error(`${path} is read`)),
    warn: () => undefined,
    signal: new AbortController().signal,
    log: silentLogger,
  };
}

describe('without the archive', () => {
  it.each(stepKinds.map((kind) => [kind.name, kind] as const))('%s is looked at and undone', async (name, kind) => {
    const { params, undo, database = {}, state = 'ready' } = cases[name]!;
    const context = withoutArchive(serverWith(database, state));
    const [given, before] = [kind.params.parse(params), kind.undo.parse(undo)];
    expect(await kind.probe(context, given, before)).toBe('done');
    await kind.revert!(context, given, before);
  });
});

it('says what is kept without the host, which stands before it', () => {
  const kept = stepKinds.flatMap(({ name, params, undo, old }) => {
    const one = cases[name]!;
    return old === undefined ? [] : [old.describe(params.parse(one.params), undo.parse(one.undo))];
  });
  expect(kept).toEqual([
    'the roles as they were, in /var/lib/lsbackup/restores/x/globals.sql',
    'database app as it was, renamed to app.old',
    'the server in /var/lib/postgresql/15/main as it was, in /var/lib/postgresql/15/.lsbackup-x-main/old',
  ]);
});
