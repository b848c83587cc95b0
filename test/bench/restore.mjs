// One database out of archives with ever more beside it: what is read of the archive, and how long that takes.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { containerOf } from '../cluster/cluster.mjs';
import { root, run, step } from '../setup/process.mjs';
import { writeInventory } from './hosts.mjs';
import { interleaved, measure, mebibytes, range, ratios } from './measure.mjs';

const gibibyte = 1024 ** 3;
const sizes = [1, 2, 4];
/** Of the databases, in MiB of content. Their rows do not compress, but pg_dump writes them as hexadecimal digits: the dump is twice that, and as much again is saved. */
const small = { name: 'bench_small', rows: 10 * 256 };
const large = { name: 'bench_large', rows: 40 * 256 };

export async function restore({ workDirectory, rounds }) {
  const inventory = writeInventory(join(workDirectory, 'restore'), [{ name: 'db1', host: 'db1' }], 'postgresql');
  const state = mkdtempSync(join(workDirectory, 'state-'));
  await dropDatabases();
  try {
    for (const database of [small, large]) await createDatabase(database);
    const targets = new Map();
    for (const size of sizes) targets.set(size, await makeArchive({ inventory, workDirectory, size }));
    const once =
      (size, { name }) =>
      async () => {
        const { stdout } = await library({ inventory, target: targets.get(size), database: name, state });
        await dropKept();
        return JSON.parse(stdout);
      };
    const results = await interleaved(rounds, [...sizes.map((size) => once(size, small)), once(4, large)]);
    return rowsOf(results);
  } finally {
    await dropDatabases();
  }
}

function rowsOf([at1, at2, at4, largeAt4]) {
  const seconds = (results) => results.map((result) => result.seconds);
  const share = (results) => results.map(({ bytesRead, archiveBytes }) => (100 * bytesRead) / archiveBytes);
  const read = (results) =>
    range(
      results.map(({ bytesRead }) => mebibytes(bytesRead)),
      'MiB',
    );
  const dump = ([{ dumpBytes }]) => `dump of ${mebibytes(dumpBytes).toFixed(0)} MiB`;
  const line = (name, results) => `${name}: ${read(results)} read, ${range(seconds(results), 's')}`;
  const detail = [
    `database of 10 MiB (${dump(at1)}): ${line('1 GiB archive', at1)}; ${line('2 GiB', at2)}; ${line('4 GiB', at4)}`,
    `database of 40 MiB (${dump(largeAt4)}): ${line('4 GiB archive', largeAt4)}`,
  ];
  return [
    {
      name: 'database of 10 MiB out of 4 GiB: read of the archive, %',
      values: share(at4),
      atMost: 2,
      detail: detail[0],
    },
    {
      name: 'bytes read, 4 GiB archive to 1 GiB',
      values: ratios(
        at4.map(({ bytesRead }) => bytesRead),
        at1.map(({ bytesRead }) => bytesRead),
      ),
      atMost: 1.1,
    },
    { name: 'time, 4 GiB archive to 1 GiB', values: ratios(seconds(at4), seconds(at1)), atMost: 1.3 },
    {
      name: 'time, database of 40 MiB to 10 MiB, both out of 4 GiB',
      values: ratios(seconds(largeAt4), seconds(at4)),
      detail: detail[1],
    },
  ];
}

async function makeArchive({ inventory, workDirectory, size }) {
  const target = join(workDirectory, `restore-${size}`);
  mkdirSync(target);
  await step(`making an archive of ${size} GiB`, () => library({ inventory, target, ballastBytes: size * gibibyte }));
  return target;
}

function library(options) {
  return measure(process.execPath, [join(root, 'test/bench/library-restore.mjs'), JSON.stringify(options)]);
}

async function sql(database, ...statements) {
  const psql = ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database];
  await run('docker', [
    ...['exec', await containerOf('db1'), 'runuser', '-u', 'postgres', '--', ...psql],
    ...statements.flatMap((statement) => ['-c', statement]),
  ]);
}

async function createDatabase({ name, rows }) {
  await sql('postgres', `CREATE DATABASE ${name}`);
  await sql(
    name,
    'CREATE TABLE data (id integer PRIMARY KEY, payload bytea NOT NULL)',
    'ALTER TABLE data ALTER COLUMN payload SET STORAGE EXTERNAL',
    `INSERT INTO data SELECT id, (SELECT string_agg(sha512((id * 100 + n)::text::bytea), '' ORDER BY n) FROM generate_series(1, 64) AS n) FROM generate_series(1, ${rows}) AS id`,
  );
}

/** What restores have moved aside. */
function dropKept() {
  return drop("datname LIKE 'bench\\_%.lsbackup-old-%'");
}

function dropDatabases() {
  return drop("datname LIKE 'bench\\_%'");
}

async function drop(which) {
  const statement = `SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE ${which} \\gexec`;
  const psql = 'cd /; printf "%s\\n" "$1" | runuser -u postgres -- psql -Xq -v ON_ERROR_STOP=1 -d postgres';
  await run('docker', ['exec', await containerOf('db1'), 'sh', '-c', psql, 'sh', statement]);
}
