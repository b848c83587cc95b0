import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Json } from '../../model/json.js';
import type { ArtifactRecord, UnitRecord } from '../../model/metadata.js';
import { byHand } from './by-hand.js';
import { baseTar } from './physical.test-support.js';
import { server } from './postgresql.test-support.js';

const physical: Json = {
  ...{ blockSize: 8192, walBlockSize: 8192, catalogVersion: 1, dataChecksums: false, archiving: false },
  ...{ configuration: [], databases: [], timeline: 1, walStart: '0/1', walStop: '0/2', versionNumber: 150_000 },
  ...{ architecture: 'x86_64', libc: 'glibc 2.36', server: { ...server, unit: 'postgresql@15-main.service' } },
};
const artifacts = [{ path: 'postgresql/db1/base.tar', host: 'db1' } as ArtifactRecord];

function sectionsOf(baseline: Json) {
  const unit = {
    name: 'db1',
    hosts: ['db1'],
    product: { name: 'PostgreSQL', version: '15.1', detectedBy: '' },
    baseline,
  };
  return byHand({ unit: unit as unknown as UnitRecord, artifacts });
}

let directory: string;
let data: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lsbackup-by-hand-'));
  data = join(directory, 'pg/main');
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, 'PG_VERSION'), 'old');
  writeFileSync(join(data, 'pg_hba.conf'), 'of the host');
  writeFileSync(join(directory, 'base.tar'), baseTar);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** With programs that only say what they were told, and a psql that answers so. */
function run(psql: string) {
  const program = (name: string, text: string): void => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  program('runuser', 'while test "$1" != --; do shift; done; shift; exec "$@"');
  program('systemctl', `echo "$@" >> ${directory}/calls`);
  program('pg_verifybackup', 'test -f "$2/backup_label"');
  program('psql', psql);
  const [section] = sectionsOf({ physical });
  const artifact = `set -eu; umask 077; artifact() { cat ${directory}/base.tar; }`;
  const { status, stderr } = spawnSync('sh', ['-c', [artifact, ...(section?.commands ?? [])].join('\n')], {
    cwd: directory,
    encoding: 'utf8',
    env: {
      PATH: `${directory}:${process.env.PATH ?? ''}`,
      SERVER_DATA: data,
      SERVER_USER: userInfo().username,
    },
  });
  const calls = readFileSync(join(directory, 'calls'), 'utf8').trim().split('\n');
  const text = (name: string): string => readFileSync(join(data, name), 'utf8');
  const [beside = ''] = readdirSync(join(directory, 'pg')).filter((name) => name.startsWith('.replaced-'));
  return { status, stderr, calls, text, kept: readdirSync(join(directory, 'pg', beside)) };
}

it('puts the server in place, keeps the old one and the configuration of the host', () => {
  const { status, stderr, calls, text, kept } = run('echo f');
  expect({ status, stderr, calls, kept }).toEqual({
    ...{ status: 0, stderr: '', kept: ['old'] },
    calls: ['stop postgresql@15-main.service', 'start postgresql@15-main.service'],
  });
  expect([text('PG_VERSION'), text('pg_hba.conf')]).toEqual(['15\n', 'of the host']);
});

it('puts the old one back where the new one does not start', () => {
  const { status, stderr, calls, text, kept } = run('exit 2');
  expect({ status, kept }).toEqual({ status: 1, kept: ['failed'] });
  expect(stderr).toContain('what was there is back');
  expect(calls.map((call) => call.split(' ')[0])).toEqual(['stop', 'start', 'stop', 'start']);
  expect(text('PG_VERSION')).toBe('old');
});

it('is not there for a backup that does not say where the server was', () => {
  expect(sectionsOf({ databases: {} })).toEqual([]);
});
