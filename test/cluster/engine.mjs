// The Docker engine and Compose. A running engine is used as it is; else one is installed and started, and stopped at the end.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms } from '../setup/packages.mjs';
import { attempt, cacheDirectory, find, run, step, waitFor } from '../setup/process.mjs';

const stateDirectory = join(cacheDirectory, 'cluster');
const engineFile = join(stateDirectory, 'engine.json');
const pidFile = '/var/run/docker.pid';

export async function engineAnswers() {
  return Boolean(find('docker') && (await attempt('docker', ['version'], { deadline: 20_000, evenInterrupted: true })));
}

export async function ensureEngine() {
  if (!(await engineAnswers())) {
    await ensurePrograms({ docker: 'docker.io', dockerd: 'docker.io', iptables: 'iptables' });
    await step('starting the Docker engine', startEngine);
  }
  if (!(await attempt('docker', ['compose', 'version']))) await ensurePrograms({ 'docker-compose': 'docker-compose' });
}

async function startEngine() {
  if (process.getuid?.() !== 0) throw new Error('no Docker engine answers, and only root can start one');
  mkdirSync(stateDirectory, { recursive: true });
  const logFile = join(stateDirectory, 'dockerd.log');
  const log = openSync(logFile, 'w');
  const child = spawn(find('dockerd'), [], {
    detached: true, // it outlives us: `cluster up` leaves it running
    stdio: ['ignore', log, log],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  child.unref();
  let exited = false;
  child.on('exit', () => (exited = true));
  writeFileSync(engineFile, JSON.stringify({ pid: child.pid, started: startTime(child.pid) }));
  await waitFor('the Docker engine answers', async () => {
    if (exited) throw new Error(`dockerd ended at once; see ${logFile}`);
    return engineAnswers();
  });
}

/** Stops the engine if, and only if, it is the one that this tree started. */
export async function stopOwnEngine() {
  const engine = readState();
  if (!engine) return;
  if (engine.started !== undefined && startTime(engine.pid) === engine.started) {
    await step('stopping the Docker engine', async () => {
      process.kill(engine.pid, 'SIGTERM');
      await waitFor('the Docker engine has ended', () => startTime(engine.pid) !== engine.started, {
        deadline: 60_000,
        evenInterrupted: true,
      });
      rmSync(pidFile, { force: true });
      await attempt('ip', ['link', 'delete', 'docker0'], { evenInterrupted: true });
    });
  }
  rmSync(engineFile, { force: true });
}

function readState() {
  try {
    return JSON.parse(readFileSync(engineFile, 'utf8'));
  } catch {
    return undefined;
  }
}

/** When the process started, in clock ticks since boot: with the pid it names one process, also after the pid is reused. */
function startTime(pid) {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return afterName[0] === 'Z' ? undefined : afterName[19];
  } catch {
    return undefined;
  }
}

/** Runs Compose, version 2 (a plug-in of docker) or 1.29 (a program of its own). */
export async function compose(composeArguments, options) {
  const [program, ...first] = (await attempt('docker', ['compose', 'version'], options))
    ? ['docker', 'compose']
    : ['docker-compose'];
  return run(program, [...first, ...composeArguments], options);
}
