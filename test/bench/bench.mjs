// npm run bench: lsbackup against what people use now, and its memory. Each figure is a ratio of whole processes measured in one run.
//
//   npm run bench                               all benchmarks; about an hour
//   npm run bench -- throughput start           some of them
//   npm run bench -- --rounds 5                 measurements of each kind, 3 unless set
//   npm run bench -- --write                    also puts the results into docs/benchmarks.md
//   npm run bench -- --megabytes 64             this much in place of 1 GiB: to see that everything works, not to measure
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePrograms } from '../setup/packages.mjs';
import { cacheDirectory, interrupt, run, step } from '../setup/process.mjs';
import { fairness } from './fairness.mjs';
import { putShards, removeShards, startHosts } from './hosts.mjs';
import { inventory } from './inventory.mjs';
import { memory, memoryManyArtifacts, memorySlowTarget } from './memory.mjs';
import { conditions, document, printTable, writeResults } from './report.mjs';
import { restore } from './restore.mjs';
import { start } from './start.mjs';
import { programs, throughput } from './throughput.mjs';

const minute = 60_000;
const mebibyte = 1024 * 1024;
const shardsPerGibibyte = 8;
const benchmarks = {
  throughput,
  fairness,
  memory,
  'memory-slow-target': memorySlowTarget,
  'memory-many-artifacts': memoryManyArtifacts,
  restore,
  inventory,
  start,
};
const withoutHosts = new Set(['inventory', 'start']);
/** What each needs besides lsbackup. */
const needs = { throughput: programs };

async function main({ values, positionals }) {
  const unknown = positionals.filter((name) => !benchmarks[name]);
  if (unknown.length > 0)
    throw new Error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}`);
  const names = positionals.length > 0 ? positionals : Object.keys(benchmarks);
  const rounds = Number(values.rounds);
  const shardBytes = (Number(values.megabytes) * mebibyte) / shardsPerGibibyte;
  if (!(rounds >= 1 && shardBytes >= 1)) throw new Error('--rounds and --megabytes are numbers above 0');

  for (const name of names) await ensurePrograms(needs[name] ?? {});
  await step('npm run build', () => run('npm', ['run', 'build'], { deadline: 10 * minute }));
  const leave = names.some((name) => !withoutHosts.has(name)) ? await startHosts() : async () => {};
  mkdirSync(cacheDirectory, { recursive: true });
  const workDirectory = mkdtempSync(join(cacheDirectory, 'bench-'));
  let missed = 0;
  try {
    const data = dataOnHosts(workDirectory, shardBytes);
    for (const name of names) {
      const before = conditions();
      const rows = await step(`benchmark ${name}`, () => benchmarks[name]({ data, workDirectory, rounds }));
      missed += printTable(rows, before);
      if (!values.write) continue;
      writeResults(name, rows, before);
      await run('npx', ['prettier', '--write', document]);
    }
  } finally {
    rmSync(workDirectory, { recursive: true, force: true });
    await removeShards();
    await leave();
  }
  console.log(missed === 0 ? 'every target is met' : `${missed} MISSED`);
  process.exitCode = missed === 0 ? 0 : 1;
}

/** Puts shards on a host when they are first asked for; resolves with the paths of as many as the gibibytes need. */
function dataOnHosts(workDirectory, bytes) {
  const there = new Map();
  return async (host, kind, gibibytes) => {
    const key = `${host} ${kind}`;
    const paths = there.get(key) ?? [];
    const count = gibibytes * shardsPerGibibyte;
    if (paths.length < count)
      paths.push(...(await putShards(host, kind, { from: paths.length + 1, to: count, bytes, workDirectory })));
    there.set(key, paths);
    return paths.slice(0, count);
  };
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupt(`stopped by ${signal}`));
try {
  await main(
    parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        megabytes: { type: 'string', default: '1024' },
        write: { type: 'boolean', default: false },
      },
    }),
  );
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
