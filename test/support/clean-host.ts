import { setTimeout as sleep } from 'node:timers/promises';
import { containerId } from './cluster-host.js';
import { must, startProgram, type Finished } from './lsbackup.js';

const label = 'lsbackup-test=clean-host';

/** A host as its image makes it, that no test has touched and that has no network. Disposing it removes it. */
export interface CleanHost extends AsyncDisposable {
  /** Runs a shell script in it as root. */
  sh(script: string, environment?: Readonly<Record<string, string>>): Promise<Finished>;
  /** Copies a file of this machine into it. */
  put(file: string, path: string): Promise<void>;
}

/** Boots a container of the image that the cluster's hosts have, with these services. What an earlier run that was killed left is removed before. */
export async function startCleanHost(services: readonly string[]): Promise<CleanHost> {
  const left = await must('docker', 'ps', '--all', '--quiet', '--filter', `label=${label}`);
  for (const id of left.split('\n').filter(Boolean)) await must('docker', 'rm', '--force', '--volumes', id);
  const model = await containerId('db1');
  const image = await must('docker', 'inspect', '--format', '{{.Config.Image}}', model);
  const binds = await must('docker', 'inspect', '--format', '{{range .HostConfig.Binds}}{{println .}}{{end}}', model);
  const id = await must(
    'docker',
    ...['run', '--detach', '--rm', '--label', label, '--network', 'none', '--hostname', 'clean'],
    ...['--cap-add', 'SYS_ADMIN', '--cap-add', 'NET_ADMIN'],
    ...['--security-opt', 'seccomp:unconfined', '--security-opt', 'apparmor:unconfined'],
    ...['--tmpfs', '/run', '--tmpfs', '/run/lock', '--tmpfs', '/tmp:exec'],
    ...binds
      .split('\n')
      .filter(Boolean)
      .flatMap((bind) => ['--volume', bind]),
    image.trim(),
    ...services.map((service) => `systemd.wants=${service}`),
  );
  const container = id.trim();
  const host: CleanHost = {
    sh: (script, environment = {}) =>
      startProgram('docker', [
        'exec',
        ...Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
        container,
        ...['sh', '-c', script],
      ]).finished,
    put: async (file, path) => {
      await must('docker', 'cp', '--quiet', file, `${container}:${path}`);
    },
    [Symbol.asyncDispose]: async () => {
      await must('docker', 'rm', '--force', '--volumes', container);
    },
  };
  await booted(host);
  return host;
}

async function booted(host: CleanHost): Promise<void> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const { stdout } = await host.sh('systemctl is-system-running || true');
    if (['running', 'degraded'].includes(stdout.trim())) return;
    if (Date.now() > deadline) throw new Error(`the clean host does not boot: ${stdout}`);
    await sleep(500);
  }
}
