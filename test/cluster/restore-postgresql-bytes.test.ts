import { randomBytes } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import {
  type AnyComponent,
  type Archive,
  artifactPath,
  backup,
  builtInComponents,
  bytesFormat,
  type Component,
  createMemoryStore,
  dropRestored,
  loadCluster,
  openArchive,
  prepareRestore,
  z,
} from '@lsbackup/core';
import { countingStore, type CountingStore } from '../support/counting-store.js';
import { temporaryDirectory } from '../support/lsbackup.js';
import { databaseState, dropDatabases, sql } from '../support/postgresql-state.js';

jest.setTimeout(120_000);

const mebibyte = 1024 * 1024;
const ballastBytes = 64 * mebibyte;
const user = { name: userInfo().username, homeDirectory: homedir() };

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  await dropBench();
});

afterAll(async () => {
  await dropBench();
  await directory[Symbol.asyncDispose]();
});

const dropBench = (): Promise<void> => dropDatabases("datname LIKE 'counted%'");

/** Data that does not compress, beside what else is backed up of db1. */
const ballast: Component<Readonly<Record<string, never>>, null> = {
  name: 'ballast',
  area: 'ballast',
  groups: ['postgresql'],
  after: [],
  options: z.strictObject({}),
  discover: () =>
    Promise.resolve({
      units: [
        {
          name: 'db1',
          hosts: ['db1'],
          product: { name: 'ballast', version: '1', detectedBy: 'nothing' },
          consistency: 'file-copy',
          containsSecrets: false,
          artifacts: [{ path: ballastPath, host: 'db1', commands: [] }],
          warnings: [],
          found: null,
        },
      ],
      problems: [],
      absent: [],
    }),
  backup: async (context) => {
    const pieces = Array.from({ length: ballastBytes / mebibyte }, () => randomBytes(mebibyte));
    const open = (): Promise<Readable> => Promise.resolve(Readable.from(pieces, { objectMode: false }));
    await context.save({ path: ballastPath, host: 'db1', format: bytesFormat, open });
  },
};
const ballastPath = artifactPath('ballast', 'db1', 'random.bin');
const postgresql = builtInComponents.filter(({ name }) => name === 'postgresql');

/** Of db1's PostgreSQL, with these components beside it. */
async function archiveWith(others: readonly AnyComponent[]): Promise<{ archive: Archive; counting: CountingStore }> {
  const cluster = await loadCluster({ source: 'test/cluster/build', user });
  const store = createMemoryStore();
  const { status, archive } = await backup({
    cluster,
    user,
    target: store,
    components: [...postgresql, ...others],
    only: [...postgresql, ...others].map(({ name }) => name),
  });
  expect(status).toBe('complete');
  const counting = countingStore(store);
  return { archive: await openArchive(counting.store, archive), counting };
}

/** Bytes that were asked for at the store to restore one database, from opening the archive to the last step. */
async function bytesToRestore(
  database: string,
  others: readonly AnyComponent[],
): Promise<{ bytes: number; archive: Archive }> {
  const { archive, counting } = await archiveWith(others);
  const before = await databaseState(database);
  const services = {
    cluster: await loadCluster({ source: 'test/cluster/build', user }),
    user,
    stateDirectory: directory.path,
  };
  await using prepared = await prepareRestore({
    ...services,
    archive,
    only: ['postgresql'],
    select: { postgresql: { database: [database] } },
  });
  expect(await prepared.apply()).toMatchObject({ status: 'complete' });
  expect(await databaseState(database)).toBe(before);
  await dropRestored({ ...services, runId: prepared.plan.runId });
  return { bytes: counting.bytes(), archive };
}

it('reads of an archive what one database needs, whatever lies beside it', async () => {
  await sql('postgres', 'CREATE DATABASE counted');
  await sql('counted', 'CREATE TABLE data (id integer PRIMARY KEY, payload bytea NOT NULL)');
  await sql(
    'counted',
    `INSERT INTO data SELECT id, (SELECT string_agg(sha512((id * 100 + n)::text::bytea), '' ORDER BY n) FROM generate_series(1, 64) AS n) FROM generate_series(1, 512) AS id`,
  );
  const alone = await bytesToRestore('counted', []);
  const beside = await bytesToRestore('counted', [ballast]);
  const path = artifactPath('postgresql', 'db1', 'database-counted.dump');
  const dump = beside.archive.metadata.artifacts.find((artifact) => artifact.path === path)!;
  // Twice: to verify it before anything is touched, and to load it. Its beginning is read for the plan, and once more for what belongs to the database itself.
  const share = beside.bytes / beside.archive.bytes;
  console.log(
    `${String(beside.bytes)} bytes of ${String(beside.archive.bytes)} read (${(100 * share).toFixed(1)} %), ${String(alone.bytes)} without the rest, for a dump of ${String(dump.bytes)}`,
  );
  expect(beside.archive.bytes).toBeGreaterThan(ballastBytes);
  expect(dump.bytes).toBeGreaterThan(4 * mebibyte);
  expect(beside.bytes).toBeLessThan(3 * dump.bytes);
  expect(Math.abs(beside.bytes - alone.bytes)).toBeLessThan(64 * 1024);
});
