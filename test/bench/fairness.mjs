// Eight equal hosts at once against one of them.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/process.mjs';
import { writeInventory } from './hosts.mjs';
import { launcher, measureBackup } from './lsbackup.mjs';
import { interleaved, median, range, ratios } from './measure.mjs';

const equalHosts = 8;

export async function fairness({ data, workDirectory, rounds }) {
  const paths = await data('lb1', 'mixed', 1);
  await data('lb2', 'mixed', 1);
  const one = writeInventory(join(workDirectory, 'one-host'), [{ name: 'lb1', host: 'lb1', paths }]);
  const eight = writeInventory(
    join(workDirectory, 'eight-hosts'),
    Array.from({ length: equalHosts }, (_, index) => ({
      name: `equal${index + 1}`,
      host: index % 2 === 0 ? 'lb1' : 'lb2',
      paths,
    })),
  );
  const [alone, together] = await interleaved(rounds, [
    () => measureBackup(one, workDirectory),
    () => measureBackup(eight, workDirectory, finishTimes),
  ]);
  const seconds = (results) => results.map((result) => result.seconds);
  return [
    {
      name: 'throughput of eight hosts, to that of one',
      // Eight times the bytes.
      values: ratios(seconds(alone), seconds(together)).map((ratio) => ratio * equalHosts),
      atLeast: 0.9,
      detail: `one ${range(seconds(alone), 's')}; eight ${range(seconds(together), 's')}`,
    },
    {
      name: 'time of the slowest host, to the median host',
      values: together.map(({ finished }) => Math.max(...finished) / median(finished)),
      atMost: 1.25,
    },
  ];
}

/** Seconds from the first stream's start to the end of each host's. */
async function finishTimes(target) {
  const [archive] = readdirSync(target);
  const shown = await run(process.execPath, [launcher, 'show', '-t', target, archive, '--json']);
  const { artifacts } = JSON.parse(shown.stdout).metadata;
  if (artifacts.length !== equalHosts) throw new Error(`${artifacts.length} artifacts of ${equalHosts} hosts`);
  const start = Math.min(...artifacts.map(({ startedAt }) => Date.parse(startedAt)));
  return { finished: artifacts.map(({ finishedAt }) => (Date.parse(finishedAt) - start) / 1000) };
}
