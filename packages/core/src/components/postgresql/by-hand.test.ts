import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ByHand } from '../../model/by-hand.js';
import type { ArtifactRecord, UnitRecord } from '../../model/metadata.js';
import { artifactPath, escapePiece } from '../../model/names.js';
import { byHand } from './by-hand.js';

const unit: UnitRecord = {
  name: 'db1',
  hosts: ['db1'],
  status: 'complete',
  product: { name: 'PostgreSQL', version: '15.14 (Debian)', detectedBy: 'SHOW server_version' },
  roles: { primary: 'db1', standbys: [], port: 5433 },
  containsSecrets: true,
  warnings: [],
};

function record(name: string): ArtifactRecord {
  const path = artifactPath('postgresql', 'db1', name);
  const sha256 = '0'.repeat(64);
  const at = '2024-05-06T07:08:09.000Z';
  return {
    ...{ path, component: 'postgresql', unit: 'db1', host: 'db1', format: 'pg-custom', bytes: 1, sha256, parts: 0 },
    ...(escapePiece(name) === name ? {} : { original: name }),
    ...{ member: { name: path, offset: 0, length: 1, sha256 }, startedAt: at, finishedAt: at, warnings: [] },
  };
}

function sectionsOf(...names: readonly string[]): readonly ByHand[] {
  return byHand({ unit, artifacts: names.map(record) });
}

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lsbackup-by-hand-'));
  writeFileSync(
    join(directory, 'runuser'),
    '#!/bin/sh\nprintf "%s\\0" "$PGPORT" "$@" >> "$CALLS"\ncat > /dev/null\nif test -n "${FAIL-}"; then echo "$FAIL" >&2; fi\n',
  );
  chmodSync(join(directory, 'runuser'), 0o755);
});
beforeEach(() => rmSync(join(directory, 'calls'), { force: true }));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the section with a `runuser` that only notes what it was called with. */
function run({ commands }: ByHand, environment: Readonly<Record<string, string>> = {}) {
  const begin = `set -eu; newline=$(printf '\\nx'); newline=\${newline%x}; artifact() { echo "$1" >> "$CALLS.read"; }`;
  const calls = join(directory, 'calls');
  const { status, stderr } = spawnSync('sh', ['-c', [begin, ...commands].join('\n')], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: `${directory}:${process.env.PATH ?? ''}`, CALLS: calls, ...environment },
  });
  return { status, stderr, words: readFileSync(calls, 'utf8').split('\0') };
}

describe('PostgreSQL by hand', () => {
  it('goes from roles to databases to statistics, then takes the configuration out', () => {
    const names = ['config.tar', 'database-app.dump', 'database-postgres.dump', 'globals.sql'];
    expect(sectionsOf(...names).map(({ title }) => title)).toEqual([
      'roles and tablespaces of PostgreSQL',
      'database app',
      'database postgres',
      'one database beside the one that is there, which stays in use',
      'the database "loaded" in the place of the one that is there',
      'statistics of PostgreSQL',
      'configuration of PostgreSQL, to compare with what is there',
    ]);
  });

  it.each(['app', 'with space', `'"\\$(touch x)\`;`, 'Größe\n\u001bnew', '-d', 'a=b', 'globals.sql'])(
    'names the database %j to psql as it is',
    (database) => {
      const [section] = sectionsOf(`5433-database-${database}.dump`);
      const { status, stderr, words } = run(section!);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(words).toContain(`--set=name=${database}`);
      expect(words).toContain('--create');
      expect(words[0]).toBe('5433');
    },
  );

  it.each(['postgres', 'template1'])('fills %s, which every server has', (database) => {
    const { words } = run(sectionsOf(`database-${database}.dump`)[0]!);
    expect(words).toContain(`--dbname=${database}`);
    expect(words).toContain('--clean');
    expect(words).not.toContain('--create');
  });

  it('passes over roles that are there, and over nothing else', () => {
    const [section] = sectionsOf('globals.sql');
    for (const line of ['role "odd "role" x" already exists', 'tablespace "fast" already exists'])
      expect(run(section!, { FAIL: `psql:<stdin>:7: ERROR:  ${line}` })).toMatchObject({ status: 0, stderr: '' });
    expect(run(section!, { FAIL: 'psql:<stdin>:5: error: invalid command \\unrestrict' })).toMatchObject({ status: 0 });
    for (const line of [
      'ERROR:  permission denied to create role',
      'ERROR:  directory "/fast" does not exist',
      'FATAL:  no',
    ])
      expect(run(section!, { FAIL: `psql:<stdin>:7: ${line}` })).toMatchObject({ status: 1 });
  });
});
