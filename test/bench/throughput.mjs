// One host's data into a local file, against what people use now.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/process.mjs';
import { sshCommand, writeInventory } from './hosts.mjs';
import { intoDirectory, measureBackup } from './lsbackup.mjs';
import { interleaved, measureShell, range, ratios } from './measure.mjs';

export const programs = { pigz: 'pigz', restic: 'restic', ssh: 'openssh-client', bash: 'bash' };

export async function throughput({ data, workDirectory, rounds }) {
  const paths = await data('lb1', 'mixed', 1);
  const inventory = writeInventory(join(workDirectory, 'one-host'), [{ name: 'lb1', host: 'lb1', paths }]);
  const tar = `${sshCommand('lb1')} tar -C / -c ${paths.map((path) => path.slice(1)).join(' ')}`;

  const [ours, pigz, restic] = await interleaved(rounds, [
    () => measureBackup(inventory, workDirectory),
    () => intoDirectory(workDirectory, (directory) => withPigz(tar, join(directory, 'corpus.tar.gz'))),
    () => intoDirectory(workDirectory, (directory) => withRestic(tar, directory)),
  ]);
  const seconds = (results) => results.map((result) => result.seconds);
  const bytes = (results) => results.map((result) => result.bytes);
  const times = `lsbackup ${range(seconds(ours), 's')}`;
  return [
    {
      name: 'time, to `ssh tar | pigz -6 > file`',
      values: ratios(seconds(ours), seconds(pigz)),
      atMost: 0.7,
      detail: `${times}; pigz ${range(seconds(pigz), 's')}`,
    },
    { name: 'size, to the same', values: ratios(bytes(ours), bytes(pigz)), atMost: 1.02, digits: 4 },
    {
      name: 'time, to `ssh tar | restic backup --stdin`',
      values: ratios(seconds(ours), seconds(restic)),
      atMost: 1,
      detail: `${times}; restic ${range(seconds(restic), 's')}`,
    },
  ];
}

async function withPigz(tar, file) {
  const measured = await measureShell(`${tar} | pigz -6 > ${file}`);
  return { ...measured, bytes: statSync(file).size };
}

/** Making the repository is not measured. */
async function withRestic(tar, directory) {
  const env = {
    RESTIC_PASSWORD: 'benchmark',
    RESTIC_REPOSITORY: join(directory, 'repository'),
    RESTIC_CACHE_DIR: join(directory, 'cache'),
    TMPDIR: directory,
  };
  await run('restic', ['init', '--quiet'], { env });
  return measureShell(`${tar} | restic backup --quiet --stdin --stdin-filename corpus.tar`, { env });
}
