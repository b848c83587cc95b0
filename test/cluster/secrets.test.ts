import { readdir, readFile, writeFile, mkdir, copyFile, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { shellOnHost } from '../support/cluster-host.js';
import { lsbackup, must, root, startLsbackup, temporaryDirectory } from '../support/lsbackup.js';
import { addLogin, configureSshd, during } from '../support/ways-in.js';

jest.setTimeout(240_000);

const canaries = {
  login: 'canary-login-7f3a',
  become: 'canary-become-91c2',
  passphrase: 'canary-passphrase-55d0',
  vault: 'canary-vault-0b6e',
  application: 'canary-application-e871',
  plain: 'canary-plain-23aa',
};

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let build: string;
let vaultPassword: string;

beforeAll(async () => {
  directory = await temporaryDirectory();
  build = join(directory.path, 'build');
  await mkdir(join(build, 'group_vars'), { recursive: true });
  const key = join(directory.path, 'key');
  await copyFile(join(root, 'test/cluster/build/ssh/id_ed25519'), key);
  await chmod(key, 0o600);
  await must('ssh-keygen', '-q', '-p', '-P', '', '-N', canaries.passphrase, '-f', key);
  vaultPassword = join(directory.path, 'vault-password');
  await writeFile(vaultPassword, `${canaries.vault}\n`, { mode: 0o600 });
  await writeFile(
    join(build, 'inventory'),
    [
      '[rabbitmq]',
      'mq1 ansible_host=172.28.0.31',
      '[haproxy]',
      'lb1 ansible_host=172.28.0.11',
      '[all:vars]',
      'ansible_user=robot',
      `ansible_ssh_private_key_file=${key}`,
      `ansible_ssh_common_args='-o UserKnownHostsFile=${join(root, 'test/cluster/build/ssh/known_hosts')}'`,
      `application_password=${canaries.plain}`,
      '',
    ].join('\n'),
  );
  const vaulted = join(build, 'group_vars/all.yml');
  await writeFile(
    vaulted,
    [
      `operator_password: ${canaries.login}`,
      'ansible_password: "{{ operator_password }}"',
      `ansible_become_password: ${canaries.become}`,
      `ansible_ssh_private_key_passphrase: ${canaries.passphrase}`,
      `application_token: ${canaries.application}`,
      '',
    ].join('\n'),
  );
  await must(join(ansible(), 'ansible-vault'), 'encrypt', '--vault-password-file', vaultPassword, vaulted);
});
afterAll(async () => directory[Symbol.asyncDispose]());

/** The folder of Ansible's programs. */
function ansible(): string {
  const programs = process.env.LSBACKUP_TEST_ANSIBLE;
  if (!programs) throw new Error('LSBACKUP_TEST_ANSIBLE must be set; test/run.mjs does');
  return programs;
}

/** Everything that can be seen of processes on this machine and on the hosts, until the returned function is called: command lines and environments. */
function watchProcesses(hosts: readonly string[]): () => Promise<string> {
  const script =
    'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; tr "\\0" "\\n" < $p/environ; done 2>/dev/null || true';
  const seen = new Set<string>();
  const stop = new AbortController();
  const sample = async (look: () => Promise<string>): Promise<void> => {
    while (!stop.signal.aborted) for (const line of (await look()).split('\n')) seen.add(line);
  };
  const watchers = [() => must('sh', '-c', script), ...hosts.map((host) => () => shellOnHost(host, script))].map(
    sample,
  );
  return async () => {
    stop.abort();
    await Promise.all(watchers);
    return [...seen].join('\n');
  };
}

function leaks(place: string, text: string): string[] {
  return Object.entries(canaries).flatMap(([name, canary]) => (text.includes(canary) ? [`${name} in ${place}`] : []));
}

describe('passwords, passphrases and vault values', () => {
  it('are in no log, output, metadata, process list or error', async () => {
    const login = (password: string) => ({ name: 'robot', password, sudo: 'password' as const });
    const publicKey = (await readFile(join(root, 'test/cluster/build/ssh/id_ed25519.pub'), 'utf8')).trim();
    const sshd = ['Match User robot', 'PasswordAuthentication yes'];
    await during(
      [
        () => addLogin('mq1', login(canaries.become), directory.path),
        () => addLogin('lb1', { ...login(canaries.become), publicKey }, directory.path),
        () => configureSshd('mq1', sshd),
      ],
      async () => {
        const target = join(directory.path, 'target');
        await mkdir(target);
        const found: string[] = [];
        const vault = ['--vault-password-file', vaultPassword];
        const everything = ['-b', build, '-t', target, '--log-level', 'trace', ...vault];
        // On mq1 the key is not accepted and the password for the login is another than that for sudo: both are wrong, so it is an error text too.
        for (const args of [everything, [...everything, '--json']]) {
          const stopWatching = watchProcesses(['mq1', 'lb1']);
          const { status, stdout, stderr } = await startLsbackup(args, { SSH_AUTH_SOCK: '' }).finished;
          found.push(...leaks('processes', await stopWatching()));
          found.push(...leaks('standard output', stdout), ...leaks('standard error', stderr));
          expect({ status, stderr }).toMatchObject({ status: 3 });
        }
        for (const archive of await readdir(target)) {
          const unpacked = join(directory.path, `unpacked-${archive}`);
          await mkdir(unpacked);
          await must('tar', '-xzf', join(target, archive), '-C', unpacked);
          for (const name of ['metadata.json', 'RESTORE.txt'])
            found.push(...leaks(`${name} of ${archive}`, await readFile(join(unpacked, name), 'utf8')));
        }
        for (const command of ['plan', 'doctor'])
          for (const format of [[], ['--json']]) {
            const { stdout, stderr } = await startLsbackup(
              [command, '-b', build, '--log-level', 'trace', ...vault, ...format],
              { SSH_AUTH_SOCK: '' },
            ).finished;
            found.push(...leaks(command, stdout + stderr));
          }
        const list = await lsbackup('list', '-t', target, '--json');
        found.push(...leaks('list', list.stdout));
        expect(found).toEqual([]);
      },
    );
  });

  it('are in no error about a wrong vault password', async () => {
    const wrong = join(directory.path, 'wrong-password');
    await writeFile(wrong, 'canary-wrong-1111\n');
    const { status, stdout, stderr } = await lsbackup(
      'plan',
      '-b',
      build,
      '--vault-password-file',
      wrong,
      '--log-level',
      'trace',
    );
    expect(status).toBe(12);
    expect(stdout + stderr).not.toMatch(/canary/);
  });
});
