// The hosts of the test cluster with the data on them, and inventories that lead to it.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { clusterDown, clusterHosts, clusterUp, containerOf } from '../cluster/cluster.mjs';
import { root, run, step } from '../setup/process.mjs';
import { writeMixedShard, writeRandomShard } from './corpus.mjs';

const build = join(root, 'test/cluster/build');
const directoryOnHost = '/srv/lsbackup-bench';
export const hostNames = ['lb1', 'lb2'];

/** Starts what does not run yet; resolves with a function that takes it away again, unless it was there before. */
export async function startHosts() {
  const before = await clusterHosts();
  const missing = [...hostNames, 'db1'].filter((name) => !before.includes(name));
  if (missing.length > 0) await clusterUp(missing);
  return async () => {
    if (before.length === 0) await clusterDown();
  };
}

/** Puts shards `from` to `to` of a kind (`mixed` or `random`) on a host, one at a time; resolves with their paths there. */
export async function putShards(host, kind, { from, to, bytes, workDirectory }) {
  const container = await containerOf(host);
  await run('docker', ['exec', container, 'mkdir', '-p', directoryOnHost]);
  const write = kind === 'mixed' ? writeMixedShard : writeRandomShard;
  const paths = [];
  await step(`putting ${kind} shards ${from} to ${to} on ${host}`, async () => {
    for (let number = from; number <= to; number += 1) {
      const directory = mkdtempSync(join(workDirectory, 'shard-'));
      const name = write(directory, number, bytes);
      await copyIn(container, directory, name);
      rmSync(directory, { recursive: true });
      paths.push(`${directoryOnHost}/${name}`);
    }
  });
  return paths;
}

async function copyIn(container, directory, name) {
  const pack = spawn('tar', ['--create', '--owner=0', '--group=0', '--directory', directory, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const unpack = spawn('docker', ['exec', '-i', container, 'tar', '-x', '-C', directoryOnHost], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = [pack, unpack].map(
    (child) =>
      new Promise((resolve, reject) =>
        child.on('close', (status) =>
          status === 0 ? resolve() : reject(new Error(`${child.spawnfile} ended with ${status}`)),
        ),
      ),
  );
  await Promise.all([pipeline(pack.stdout, unpack.stdin), ...ended]);
}

export async function removeShards() {
  for (const name of hostNames) {
    const container = await containerOf(name);
    if (container) await run('docker', ['exec', container, 'rm', '-rf', directoryOnHost], { evenInterrupted: true });
  }
}

const inventoryText = () => readFileSync(join(build, 'inventory'), 'utf8');
const privateKey = join(build, 'ssh/id_ed25519');
const knownHosts = join(build, 'ssh/known_hosts');

function addressOf(host) {
  return new RegExp(`^${host} ansible_host=(\\S+)`, 'm').exec(inventoryText())[1];
}

/** The command that people have now: everything but the name of the remote command, and options of ssh before that. */
export function sshCommand(host, options = '') {
  return `ssh -i ${privateKey} -o UserKnownHostsFile=${knownHosts} -o StrictHostKeyChecking=yes ${options} admin@${addressOf(host)}`;
}

/**
 * Writes an inventory whose group `haproxy` (or another) has the given entries: a name, the host it leads to, and the paths that the
 * haproxy component takes from it.
 */
export function writeInventory(file, entries, group = 'haproxy') {
  const lines = entries.map(({ name, host, paths }) =>
    [
      `${name} ansible_host=${addressOf(host)}`,
      ...(paths
        ? [`lsbackup_haproxy_config_file=/etc/haproxy/haproxy.cfg lsbackup_haproxy_paths='${JSON.stringify(paths)}'`]
        : []),
    ].join(' '),
  );
  writeFileSync(
    file,
    `[${group}]
${lines.join('\n')}

[all:vars]
ansible_user=admin
ansible_ssh_private_key_file=${privateKey}
ansible_ssh_common_args='-o UserKnownHostsFile=${knownHosts} -o StrictHostKeyChecking=yes'
`,
  );
  return file;
}
