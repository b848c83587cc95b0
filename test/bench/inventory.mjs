// How long it takes to read a large inventory with all its variables, and to know the way to every host.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../setup/process.mjs';
import { interleaved, measure, range, ratios } from './measure.mjs';

const sizes = [1000, 5000, 10_000];
const hostsPerGroup = 20;
const library = pathToFileURL(join(root, 'packages/core/dist/index.js')).href;
/** Run by node: seconds for `loadCluster`, without the time until node and the library are there. */
const program = `
  const { loadCluster } = await import(process.argv[1]);
  const started = performance.now();
  const { hosts } = await loadCluster({ source: process.argv[2], user: { name: 'me', homeDirectory: '/nonexistent' } });
  if (hosts.length !== Number(process.argv[3])) throw new Error('not all hosts were read');
  console.log((performance.now() - started) / 1000);`;

export async function inventory({ workDirectory, rounds }) {
  const rows = [];
  for (const kind of ['INI', 'YAML']) {
    const load = (count) => async () => {
      const { stdout } = await measure(process.execPath, [
        '--input-type=module',
        '-e',
        program,
        library,
        buildDirectory(workDirectory, kind, count),
        String(count),
      ]);
      return Number(stdout);
    };
    const results = await interleaved(rounds, sizes.map(load));
    const largest = results[sizes.length - 1];
    rows.push({
      name: `${kind}, 10,000 hosts in 500 groups, group_vars and host_vars: seconds`,
      values: largest,
      atMost: 2,
      detail: sizes.map((count, index) => `${count} hosts ${range(results[index], 's')}`).join('; '),
    });
    rows.push({
      name: `${kind}, 10,000 hosts to 1,000 hosts, for each host`,
      values: ratios(largest, results[0]).map((ratio) => (ratio * sizes[0]) / sizes[sizes.length - 1]),
      atMost: 1.2,
    });
  }
  return rows;
}

/** Every group has variables in a file of its own, and every hundredth host. */
function buildDirectory(workDirectory, kind, count) {
  const directory = join(workDirectory, `inventory-${kind}-${count}`);
  const groups = Array.from({ length: count / hostsPerGroup }, (_, index) => `group${index}`);
  const hosts = (group) =>
    Array.from({ length: hostsPerGroup }, (_, index) => {
      const number = groups.indexOf(group) * hostsPerGroup + index;
      return { name: `host${number}`, address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}` };
    });
  const put = (name, lines) => writeFileSync(join(directory, name), `${lines.join('\n')}\n`);
  for (const folder of ['group_vars', 'host_vars']) mkdirSync(join(directory, folder), { recursive: true });
  put('group_vars/all.yml', ['ansible_user: operations', 'ansible_port: 2222', 'packages: [tar, gzip, openssl]']);
  for (const group of groups) {
    put(`group_vars/${group}.yml`, [
      `zone: ${group}`,
      'limits: {open_files: 1024, processes: 512}',
      `ansible_ssh_private_key_file: /keys/${group}`,
    ]);
    for (const { name } of hosts(group).slice(0, 1))
      if (groups.indexOf(group) % 5 === 0) put(`host_vars/${name}.yml`, ['rack: 7']);
  }
  if (kind === 'INI')
    put(
      'inventory',
      groups.flatMap((group) => [
        `[${group}]`,
        ...hosts(group).map(({ name, address }) => `${name} ansible_host=${address}`),
      ]),
    );
  else
    put('inventory.yml', [
      'all:',
      '  children:',
      ...groups.flatMap((group) => [
        `    ${group}:`,
        '      hosts:',
        ...hosts(group).map(({ name, address }) => `        ${name}: {ansible_host: ${address}}`),
      ]),
    ]);
  return directory;
}
