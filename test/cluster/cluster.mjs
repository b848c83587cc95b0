// The test cluster: real servers in containers that look like the hosts of a LambdaStack cluster.
//
//   node test/cluster/cluster.mjs up [HOST ...]     start all hosts, or some; safe to repeat
//   node test/cluster/cluster.mjs seed [HOST ...]   put the hosts' data back to what up leaves
//   node test/cluster/cluster.mjs down              remove everything that up made
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensurePrograms } from '../setup/packages.mjs';
import { attempt, interrupt, root, run, step, waitFor } from '../setup/process.mjs';
import { compose, engineAnswers, ensureEngine, stopOwnEngine } from './engine.mjs';
import { hosts } from './hosts.mjs';
import { ensureImages, imageTag } from './images.mjs';

const minute = 60_000;
const project = 'lsbackup-test';
const composeFile = join(root, 'docker-compose.test.yml');
const seedDirectory = join(root, 'test/cluster/seed');
const sshDirectory = join(root, 'test/cluster/build/ssh');
const privateKey = join(sshDirectory, 'id_ed25519');
const knownHosts = join(sshDirectory, 'known_hosts');

/** The slow part that needs no host: engine and images. */
export async function clusterPrepare() {
  // The faults suite logs in to sshd on this machine too.
  await ensurePrograms({ ssh: 'openssh-client', 'ssh-keygen': 'openssh-client', sshd: 'openssh-server' });
  await ensureEngine();
  await ensureImages();
}

export async function clusterUp(names = Object.keys(hosts)) {
  const unknown = names.filter((name) => !hosts[name]);
  if (unknown.length > 0)
    throw new Error(`no such host: ${unknown.join(', ')}; there are ${Object.keys(hosts).join(', ')}`);
  await clusterPrepare();
  await step(`starting ${names.join(', ')}`, async () => {
    await composeRun(['up', '--detach', '--no-build', ...names], { deadline: 3 * minute });
    await Promise.all(names.map(untilRunning));
  });
  await writeAccess(names);
  await clusterSeed(names);
}

export async function clusterSeed(names = Object.keys(hosts)) {
  await step(`seeding ${names.join(', ')}`, () => Promise.all(names.map(seed)));
}

/** Removes hosts, networks, volumes and generated keys; works after an interrupt too. */
export async function clusterDown() {
  if (await somethingLeft()) {
    await step('removing the hosts', () =>
      composeRun(['down', '--volumes', '--remove-orphans', '--timeout', '10'], {
        deadline: 3 * minute,
        evenInterrupted: true,
      }),
    );
  }
  rmSync(sshDirectory, { recursive: true, force: true });
  await stopOwnEngine();
}

async function somethingLeft() {
  if (!(await engineAnswers())) return false;
  const list = (...what) =>
    run('docker', [...what, '--quiet', '--filter', `label=com.docker.compose.project=${project}`], {
      evenInterrupted: true,
    });
  const found = await Promise.all([list('ps', '--all'), list('network', 'ls'), list('volume', 'ls')]);
  return found.some(({ stdout }) => stdout.trim());
}

/** The names of the hosts that run now. */
export async function clusterHosts() {
  if (!(await engineAnswers())) return [];
  const found = await Promise.all(Object.keys(hosts).map(async (name) => ((await containerOf(name)) ? [name] : [])));
  return found.flat();
}

/** Compose names containers differently from version to version; labels are the same in all. */
export async function containerOf(name) {
  const label = (key, value) => ['--filter', `label=com.docker.compose.${key}=${value}`];
  const { stdout } = await run('docker', ['ps', '--quiet', ...label('project', project), ...label('service', name)]);
  return stdout.trim() || undefined;
}

async function composeRun(composeArguments, options) {
  const { stdout: cgroupVersion } = await run('docker', ['info', '--format', '{{.CgroupVersion}}'], {
    evenInterrupted: true,
  });
  const env = {
    LSBACKUP_TEST_TAG: imageTag(),
    LSBACKUP_TEST_CGROUP: cgroupVersion.trim() === '2' ? '/mnt/cgroup' : '/sys/fs/cgroup',
  };
  return compose(['--file', composeFile, '--project-name', project, ...composeArguments], { ...options, env });
}

async function untilRunning(name) {
  const container = await containerOf(name);
  if (!container) throw new Error(`${name} did not start`);
  const state = await waitFor(
    `${name} has booted`,
    async () => {
      const answer = await attempt('sh', [
        '-c',
        'docker exec "$1" systemctl is-system-running || true',
        'sh',
        container,
      ]);
      return ['running', 'degraded'].find((state) => state === answer?.stdout.trim());
    },
    { deadline: 3 * minute, every: 500 },
  );
  if (state === 'running') return;
  const { stdout } = await run('docker', ['exec', container, 'systemctl', '--failed', '--no-legend', '--plain']);
  throw new Error(`${name} is ${state}: ${stdout.trim()}`);
}

/** The key pair that opens every host, and the hosts' own keys, read from the inside so that nobody can stand between. */
async function writeAccess(names) {
  mkdirSync(sshDirectory, { recursive: true, mode: 0o700 });
  if (!existsSync(privateKey))
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test-cluster', '-f', privateKey]);
  chmodSync(privateKey, 0o600);
  const { stdout: publicKey } = await run('ssh-keygen', ['-y', '-f', privateKey]);
  const lines = new Map();
  // Hosts that an earlier `up` started stay known.
  for (const name of new Set([...names, ...(await clusterHosts())])) {
    const container = await containerOf(name);
    await run('docker', ['exec', '-i', container, 'sh', '-c', 'cat > /etc/ssh/authorized_keys.d/admin'], {
      input: publicKey,
    });
    const { stdout: address } = await run('docker', [
      'inspect',
      '--format',
      '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
      container,
    ]);
    const { stdout: hostKeys } = await run('docker', [
      'exec',
      container,
      'sh',
      '-c',
      'cat /etc/ssh/ssh_host_*_key.pub',
    ]);
    lines.set(
      name,
      hostKeys
        .trim()
        .split('\n')
        .map((key) => `${address.trim()} ${key.split(' ').slice(0, 2).join(' ')}\n`),
    );
  }
  writeFileSync(knownHosts, [...lines.values()].flat().join(''));
}

async function seed(name) {
  const container = await containerOf(name);
  // What restores have kept.
  await run('docker', ['exec', container, 'rm', '-rf', '/var/lib/lsbackup']);
  for (const kind of hosts[name]) {
    const target = '/root/seed';
    await run('docker', ['exec', container, 'rm', '-rf', target]);
    await run('docker', ['cp', join(seedDirectory, kind), `${container}:${target}`]);
    await run('docker', ['exec', container, 'bash', '-euo', 'pipefail', `${target}/seed.sh`, name], {
      deadline: 5 * minute,
    });
    await run('docker', ['exec', container, 'rm', '-rf', target]);
  }
}

function howToUse() {
  return `
The cluster is up. From ${root === process.cwd() ? 'here' : root}:
  ssh -i test/cluster/build/ssh/id_ed25519 -o UserKnownHostsFile=test/cluster/build/ssh/known_hosts admin@172.28.0.21
  ansible-inventory -i test/cluster/build/inventory --list
  node packages/cli/bin/lsbackup.cjs -b test/cluster/build -t /tmp/target
Remove it with: npm run cluster down`;
}

async function main([command = 'up', ...names]) {
  const chosen = names.length > 0 ? names : undefined;
  if (command === 'up') {
    await clusterUp(chosen);
    console.log(howToUse());
  } else if (command === 'seed') await clusterSeed(chosen);
  else if (command === 'down') await clusterDown();
  else throw new Error(`unknown command ${command}; use up, seed or down`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupt(`stopped by ${signal}`));
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
