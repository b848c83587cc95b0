// The most memory a whole backup process ever has, at 1 and at 4 GiB.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from '../setup/process.mjs';
import { randomFiles } from './corpus.mjs';
import { writeInventory } from './hosts.mjs';
import { intoDirectory, measureBackup } from './lsbackup.mjs';
import { interleaved, measure, median, range } from './measure.mjs';

const mostMebibytes = 256;
/** MiB of peak for each GiB of data. */
const mostSlope = 2;
const sizes = [1, 4];

/** Three benchmarks: the slow target alone takes longer than all the rest. */
export const memory = (context) => peaks(context, ['mixed data', 'incompressible data']);
export const memorySlowTarget = (context) => peaks(context, ['slow target (25 MiB/s), incompressible data']);
export const memoryManyArtifacts = (context) => peaks(context, ['64 artifacts on 8 hosts, incompressible data']);

async function peaks(context, names) {
  const rows = [];
  for (const name of names) {
    const measurements = [];
    for (const gibibytes of sizes) measurements.push(await cases[name](context, gibibytes));
    const [small, large] = await interleaved(context.rounds, measurements, { warmUp: false });
    rows.push(...rowsOf(name, small, large));
  }
  return rows;
}

function rowsOf(name, small, large) {
  const peaksOf = (results) => results.map(({ peakMebibytes }) => peakMebibytes);
  const [at1, at4] = [peaksOf(small), peaksOf(large)];
  return [
    {
      name: `${name}: peak, MiB`,
      values: [...at1, ...at4],
      // The worst of all counts, not the middle.
      judged: Math.max(...at1, ...at4),
      atMost: mostMebibytes,
      digits: 0,
      detail: `1 GiB ${range(at1, 'MiB')} in ${median(small.map(({ seconds }) => seconds)).toFixed(0)} s; 4 GiB ${range(at4, 'MiB')} in ${median(large.map(({ seconds }) => seconds)).toFixed(0)} s`,
    },
    {
      name: `${name}: slope, MiB per GiB`,
      values: at4.map((value, index) => (value - at1[index]) / (sizes[1] - sizes[0])),
      judged: (median(at4) - median(at1)) / (sizes[1] - sizes[0]),
      atMost: mostSlope,
      digits: 1,
    },
  ];
}

const cases = {
  'mixed data': (context, gibibytes) => ofCommand(context, 'mixed', gibibytes),
  'incompressible data': (context, gibibytes) => ofCommand(context, 'random', gibibytes),
  'slow target (25 MiB/s), incompressible data': async (context, gibibytes) => {
    const paths = await context.data('lb1', 'random', gibibytes);
    const inventory = writeInventory(join(context.workDirectory, `slow-${gibibytes}`), [
      { name: 'lb1', host: 'lb1', paths },
    ]);
    return () => ofLibrary(context, { inventory, bytesPerSecond: 25 * 1024 * 1024 });
  },
  '64 artifacts on 8 hosts, incompressible data': async (context, gibibytes) => {
    const paths = await context.data('lb1', 'random', gibibytes);
    const files = paths.flatMap((path) => randomFiles.map((file) => `${path}/${file}`));
    const hosts = Array.from({ length: 8 }, (_, index) => ({ name: `many${index + 1}`, host: 'lb1' }));
    const inventory = writeInventory(join(context.workDirectory, `many-${gibibytes}`), hosts, 'many');
    return () => ofLibrary(context, { inventory, many: { artifacts: 64, files } });
  },
};

async function ofCommand({ data, workDirectory }, kind, gibibytes) {
  const paths = await data('lb1', kind, gibibytes);
  const inventory = writeInventory(join(workDirectory, `${kind}-${gibibytes}`), [{ name: 'lb1', host: 'lb1', paths }]);
  return () => measureBackup(inventory, workDirectory);
}

/** Through the library, in a process of its own with the thread pool and the young generation that the command has. */
function ofLibrary({ workDirectory }, options) {
  return intoDirectory(workDirectory, (target) =>
    measure(process.execPath, [join(root, 'test/bench/library-backup.mjs'), JSON.stringify({ ...options, target })], {
      env: { UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism() + 2)) },
    }),
  );
}
