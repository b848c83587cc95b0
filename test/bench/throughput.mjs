// One host's data into a local file, against what people use now.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/process.mjs';
import { sshCommand, writeInventory } from './hosts.mjs';
import { intoDirectory, measureBackup } from './lsbackup.mjs';
import { interleaved, measureShell, range, ratios } from './measure.mjs';

export const programs = { pigz: 'pigz', restic: 'restic', ssh: 'openssh-client', bash: 'bash' };

/** What lsbackup negotiates with the same server, where OpenSSH's own first choice is chacha20-poly1305. */
const sameCipher = '-c aes128-gcm@openssh.com';

export async function throughput({ data, workDirectory, rounds }) {
  const paths = await data('lb1', 'mixed', 1);
  const inventory = writeInventory(join(workDirectory, 'one-host'), [{ name: 'lb1', host: 'lb1', paths }]);
  const tar = (options) => `${sshCommand('lb1', options)} tar -C / -c ${paths.map((path) => path.slice(1)).join(' ')}`;

  const [ours, pigz, restic, pigzSameCipher, resticSameCipher] = await interleaved(rounds, [
    () => measureBackup(inventory, workDirectory),
    () => intoDirectory(workDirectory, (directory) => withPigz(tar(), directory)),
    () => intoDirectory(workDirectory, (directory) => withRestic(tar(), directory)),
    () => intoDirectory(workDirectory, (directory) => withPigz(tar(sameCipher), directory)),
    () => intoDirectory(workDirectory, (directory) => withRestic(tar(sameCipher), directory)),
  ]);
  const seconds = (results) => results.map((result) => result.seconds);
  const bytes = (results) => results.map((result) => result.bytes);
  const row = (name, theirs) => ({
    name: `time, to ${name}`,
    values: ratios(seconds(ours), seconds(theirs)),
    detail: `lsbackup ${range(seconds(ours), 's')}; ${name} ${range(seconds(theirs), 's')}`,
  });
  return [
    { ...row('`ssh tar | pigz -6 > file`', pigz), atMost: 0.7 },
    { name: 'size, to the same', values: ratios(bytes(ours), bytes(pigz)), atMost: 1.02, digits: 4 },
    { ...row('`ssh tar | restic backup --stdin`', restic), atMost: 1 },
    row('pigz with the same cipher', pigzSameCipher),
    row('restic with the same cipher', resticSameCipher),
  ];
}

async function withPigz(tar, directory) {
  const file = join(directory, 'corpus.tar.gz');
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
