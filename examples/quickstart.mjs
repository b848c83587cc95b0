/**
 * `npm run quickstart [-- --keep]`: from a fresh clone to a verified backup, with Node and npm only, without root or Docker.
 * Uses nothing but Node's own modules, because it starts before anything is installed.
 */
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const buildDirectory = join(import.meta.dirname, 'sample-cluster');
const backups = join(root, 'backups');
const program = join(root, 'packages', 'cli', 'bin', 'lsbackup.cjs');
const keep = process.argv.includes('--keep');

await main().catch((error) => {
  console.error(`\nquickstart: ${error.message}`);
  process.exitCode = 1;
});

async function main() {
  requireGnuTar();
  if (needsInstall()) await run('npm', ['ci', '--no-audit', '--no-fund']);
  await run('npm', ['run', '--silent', 'build']);
  const cluster = await startCluster();
  try {
    mkdirSync(backups, { recursive: true });
    await lsbackup(['-b', 'examples/sample-cluster', '-t', './backups']);
    await lsbackup(['list', '-t', './backups']);
    await lsbackup(['show', '-t', './backups']);
    await lsbackup(['verify', '-t', './backups']);
    printCommands();
    if (keep) await untilInterrupted();
  } finally {
    cluster.disconnect();
  }
}

/** The sample hosts are this machine, and lsbackup reads files with the hosts' tar. */
function requireGnuTar() {
  const answer = spawnSync('tar', ['--version'], { encoding: 'utf8' });
  if (answer.stdout?.includes('GNU tar')) return;
  throw new Error(
    'the sample cluster needs GNU tar as "tar" (on macOS: brew install gnu-tar, and put its gnubin folder first in PATH).',
  );
}

function needsInstall() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  return !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs;
}

async function startCluster() {
  const cluster = fork(join(import.meta.dirname, 'sample', 'serve.mjs'), [buildDirectory]);
  const ended = once(cluster, 'exit').then(() => {
    throw new Error('the sample cluster did not start');
  });
  const [{ hosts, problem }] = await Promise.race([once(cluster, 'message'), ended]);
  // From here on its end is either ours or seen by lsbackup.
  ended.catch(() => undefined);
  if (problem !== undefined) {
    cluster.disconnect();
    throw new Error(problem);
  }
  console.log(`\nSample cluster: ${hosts.map(({ name, port }) => `${name} on 127.0.0.1:${port}`).join(', ')}`);
  return cluster;
}

function lsbackup(parameters) {
  console.log(`\n$ npx lsbackup ${parameters.join(' ')}`);
  return run(process.execPath, [program, ...parameters]);
}

async function run(program, parameters) {
  const child = spawn(program, parameters, { cwd: root, stdio: 'inherit' });
  const [status, signal] = await once(child, 'close');
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} ended with ${signal ?? `status ${status}`}`);
}

function printCommands() {
  const backup = 'npx lsbackup -b examples/sample-cluster -t ./backups';
  console.log(`
The archive is in ./backups. Try:
  npx lsbackup list -t ./backups
  npx lsbackup show -t ./backups
  npx lsbackup verify -t ./backups
  npx lsbackup extract -t ./backups --into ./backups/unpacked --artifact haproxy --unpack
  tar tzf ./backups/${newestArchive()}
${keep ? `The sample cluster stays up until Ctrl-C. In another terminal:\n  ${backup}` : `To back up again, keep the sample cluster up: npm run quickstart -- --keep, then in another terminal:\n  ${backup}`}
`);
}

function newestArchive() {
  const answer = execFileSync(process.execPath, [program, 'list', '-t', backups, '--json'], { encoding: 'utf8' });
  return JSON.parse(answer).at(-1).name;
}

async function untilInterrupted() {
  // The listener alone would not keep this process alive; the cluster's channel does.
  await once(process, 'SIGINT');
}
