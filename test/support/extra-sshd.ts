import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { containerId, feedHost, onHost, shellOnHost } from './cluster-host.js';
import { must, root } from './lsbackup.js';

export const sshDirectory = path.join(root, 'test/cluster/build/ssh');
export const addresses = { mon1: '172.28.0.41', mon2: '172.28.0.42' } as const;

/** A second sshd on a host of the test cluster, with settings of its own and the host's keys. */
export interface ExtraSshd extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Writes what `ssh-keyscan` would find, as an address and port are written. */
  writeKnownHosts(file: string): Promise<void>;
}

/** Starts it in the host, with `name=value` settings of sshd_config(5). It is ended, with what it serves, at the end. */
export async function startExtraSshd(
  host: keyof typeof addresses,
  port: number,
  settings: readonly string[],
): Promise<ExtraSshd> {
  await containerId(host);
  const pidFile = `/run/lsbackup-test-sshd-${port}.pid`;
  const options = [...settings, `PidFile=${pidFile}`].flatMap((text) => ['-o', text]);
  await onHost(host, '/usr/sbin/sshd', '-p', String(port), ...options);
  await shellOnHost(host, `until (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null; do sleep 0.05; done`);
  const address = addresses[host];
  return {
    address,
    port,
    async writeKnownHosts(file) {
      const known = await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8');
      const own = known.split('\n').filter((line) => line.startsWith(`${address} `));
      await writeFile(file, own.map((line) => `${line.replace(address, `[${address}]:${port}`)}\n`).join(''));
    },
    async [Symbol.asyncDispose]() {
      // With its children: each serves one connection.
      await shellOnHost(host, `pid=$(cat ${pidFile}); pkill -P "$pid" || true; kill "$pid"`);
    },
  };
}

/** A certificate of a new authority for the test cluster's key, good for a login as `admin`: the file, and the authority's own on the host. */
export async function makeCertificate(
  host: keyof typeof addresses,
  directory: string,
): Promise<{ readonly key: string; readonly certificate: string; readonly authority: string }> {
  const [authority, key] = [path.join(directory, 'authority'), path.join(directory, 'certified')];
  for (const file of [authority, key]) await must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file);
  await must('ssh-keygen', '-q', '-s', authority, '-I', 'test', '-n', 'admin', '-V', '-5m:+1h', `${key}.pub`);
  const onTheHost = `/etc/ssh/lsbackup-test-authority-${path.basename(directory)}`;
  await feedHost(host, `${authority}.pub`, 'tee', onTheHost);
  return { key, certificate: `${key}-cert.pub`, authority: onTheHost };
}
