// Through the library, to count what is read at the store: an archive with one database among much else, and the restore of that database.
//
//   node test/bench/library-restore.mjs '{"inventory": FILE, "target": DIR, "ballastBytes": N}'                   makes the archive
//   node test/bench/library-restore.mjs '{"inventory": FILE, "target": DIR, "database": NAME, "state": DIR}'      restores; prints what it took, as JSON
import { randomFillSync } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { Readable } from 'node:stream';
import {
  artifactPath,
  backup,
  builtInComponents,
  bytesFormat,
  loadCluster,
  localDriver,
  openArchive,
  openStore,
  prepareRestore,
  z,
} from '@lsbackup/core';

const { inventory, target, ballastBytes, database, state } = JSON.parse(process.argv[2]);
const user = { name: userInfo().username, homeDirectory: homedir() };
const cluster = await loadCluster({ source: inventory, user });
const store = await openStore(target, [localDriver]);
const postgresql = builtInComponents.find(({ name }) => name === 'postgresql');

if (ballastBytes === undefined) await restore();
else await makeArchive();

async function makeArchive() {
  const { status } = await backup({ cluster, user, target: store, components: [postgresql, ballast()] });
  if (status !== 'complete') throw new Error(`the backup is ${status}`);
}

async function restore() {
  let bytesRead = 0;
  const counted = {
    stat: (name) => store.stat(name),
    get: async (name, options) => {
      const body = await store.get(name, options);
      body.on('data', (chunk) => (bytesRead += chunk.length));
      body.pause();
      return body;
    },
  };
  const started = performance.now();
  const { value: entry } = await store.list('lsbackup-')[Symbol.asyncIterator]().next();
  const archive = await openArchive(counted, entry.name);
  const prepared = await prepareRestore({
    cluster,
    user,
    archive,
    stateDirectory: state,
    components: [postgresql],
    only: ['postgresql'],
    select: { postgresql: { database: [database] } },
  });
  const { status } = await prepared.apply().finally(() => prepared[Symbol.asyncDispose]());
  if (status !== 'complete') throw new Error(`the restore is ${status}`);
  const seconds = (performance.now() - started) / 1000;
  const { bytes } = archive.metadata.artifacts.find(({ path }) => path.endsWith(`database-${database}.dump`));
  console.log(JSON.stringify({ bytesRead, seconds, archiveBytes: archive.bytes, dumpBytes: bytes }));
}

/** Data that does not compress, beside the database. */
function ballast() {
  const path = artifactPath('ballast', 'db1', 'random.bin');
  return {
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
            artifacts: [{ path, host: 'db1', commands: [] }],
            warnings: [],
            found: null,
          },
        ],
        problems: [],
        absent: [],
      }),
    backup: (context) =>
      context.save({ path, host: 'db1', format: bytesFormat, open: () => Promise.resolve(randomBytes(ballastBytes)) }),
  };
}

function randomBytes(total) {
  const block = 1024 * 1024;
  return Readable.from(
    (function* () {
      for (let left = total; left > 0; left -= block) yield randomFillSync(Buffer.alloc(Math.min(block, left)));
    })(),
    { objectMode: false, highWaterMark: block },
  );
}
