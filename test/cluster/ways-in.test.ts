import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { containerId, onHost, shellOnHost } from '../support/cluster-host.js';
import { jsonLines, must, root, startLsbackup, temporaryDirectory, type Finished } from '../support/lsbackup.js';
import { addLogin, answerOnlyTo, configureSshd, during, type Login } from '../support/ways-in.js';

jest.setTimeout(180_000);

const addresses = {
  lb1: '172.28.0.11',
  lb2: '172.28.0.12',
  db1: '172.28.0.21',
  mq1: '172.28.0.31',
  mon1: '172.28.0.41',
  mon2: '172.28.0.42',
};
type HostName = keyof typeof addresses;
const groups: Record<HostName, string> = {
  lb1: 'haproxy',
  lb2: 'haproxy',
  db1: 'postgresql',
  mq1: 'rabbitmq',
  mon1: 'prometheus',
  mon2: 'prometheus',
};
const password = 'canary-Pa55word';
const passphrase = 'canary-Passphra5e';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
/** The home directory of the user who runs lsbackup. */
let home: string;
let publicKey: string;

beforeAll(async () => {
  directory = await temporaryDirectory();
  home = join(directory.path, 'home');
  await mkdir(join(home, '.ssh'), { recursive: true, mode: 0o700 });
  await copyFile(join(root, 'test/cluster/build/ssh/known_hosts'), join(home, '.ssh/known_hosts'));
  await copyFile(join(root, 'test/cluster/build/ssh/id_ed25519'), join(home, '.ssh/cluster_key'));
  await chmod(join(home, '.ssh/cluster_key'), 0o600);
  publicKey = (await readFile(join(root, 'test/cluster/build/ssh/id_ed25519.pub'), 'utf8')).trim();
});
afterAll(async () => directory[Symbol.asyncDispose]());

let builds = 0;

/** A build directory whose inventory names one host. */
async function buildDirectory(host: HostName, variables: readonly string[]): Promise<string> {
  const build = join(directory.path, `build${String((builds += 1))}`);
  await mkdir(build);
  const lines = [`[${groups[host]}]`, `${host} ansible_host=${addresses[host]}`, '[all:vars]', ...variables];
  await writeFile(join(build, 'inventory'), `${lines.join('\n')}\n`);
  return build;
}

interface Run extends Finished {
  /** Of the archive; undefined when nothing was published. */
  readonly status: number | null;
  readonly units: readonly string[];
  readonly warnings: readonly string[];
  readonly target: string;
}

/** Backs the host up; the user has no SSH agent. */
async function backup(build: string, args: readonly string[] = []): Promise<Run> {
  const target = `${build}-target`;
  await mkdir(target, { recursive: true });
  const finished = await startLsbackup(['-b', build, '-t', target, '--json', ...args], {
    HOME: home,
    SSH_AUTH_SOCK: '',
  }).finished;
  const lines = jsonLines(finished.stdout);
  const units = lines
    .filter(({ type }) => type === 'component')
    .map(({ component, unit, status }) => `${String(component)} ${String(unit)} ${String(status)}`);
  const warnings = lines.filter(({ type }) => type === 'warning').map(({ code }) => String(code));
  return { ...finished, units, warnings, target };
}

/** The backup is complete, and intact. */
async function expectComplete(run: Run): Promise<void> {
  expect({ status: run.status, stderr: run.stderr }).toMatchObject({ status: 0 });
  expect(run.units.some((unit) => unit.endsWith(' complete'))).toBe(true);
  const verify = await startLsbackup(['verify', '-t', run.target]).finished;
  expect(verify).toMatchObject({ status: 0 });
}

const withKey = ['ansible_user=admin', 'ansible_ssh_private_key_file=~/.ssh/cluster_key'];
const robot = (more: Partial<Login>): Login => ({ name: 'robot', sudo: 'free', ...more });

describe('a backup of a real host', () => {
  it('through two jump hosts, where there is no other way', async () => {
    await during([() => answerOnlyTo('db1', addresses.lb2), () => answerOnlyTo('lb2', addresses.lb1)], async () => {
      await writeFile(
        join(home, '.ssh/config'),
        ['Host 172.28.0.*', '  IdentityFile ~/.ssh/cluster_key', '  User admin', ''].join('\n'),
      );
      try {
        const jumps = `-o ProxyJump=admin@${addresses.lb1},admin@${addresses.lb2}`;
        await expectComplete(
          await backup(await buildDirectory('db1', [...withKey, `ansible_ssh_common_args='${jumps}'`])),
        );
        const direct = await backup(await buildDirectory('db1', withKey));
        expect(direct.status).toBe(13);
      } finally {
        await writeFile(join(home, '.ssh/config'), '');
      }
    });
  });

  it('with an encrypted key whose passphrase is in the inventory', async () => {
    const key = join(home, '.ssh/encrypted_key');
    await copyFile(join(home, '.ssh/cluster_key'), key);
    await chmod(key, 0o600);
    await must('ssh-keygen', '-q', '-p', '-P', '', '-N', passphrase, '-f', key);
    const named = ['ansible_user=admin', `ansible_ssh_private_key_file=${key}`];
    await expectComplete(
      await backup(await buildDirectory('lb1', [...named, `ansible_ssh_private_key_passphrase=${passphrase}`])),
    );
    const wrong = await backup(await buildDirectory('lb1', [...named, 'ansible_ssh_private_key_passphrase=wrong']));
    expect(wrong).toMatchObject({
      status: 13,
      stdout: expect.stringMatching(/passphrase that was given for the key .* is wrong/),
    });
    const none = await backup(await buildDirectory('lb1', named));
    expect(none).toMatchObject({ status: 13, stdout: expect.stringMatching(/needs a passphrase/) });
  });

  it('with a password for sudo', async () => {
    await during(
      [() => addLogin('mq1', robot({ password, sudo: 'password', publicKey }), directory.path)],
      async () => {
        const variables = ['ansible_user=robot', 'ansible_ssh_private_key_file=~/.ssh/cluster_key'];
        await expectComplete(
          await backup(await buildDirectory('mq1', [...variables, `ansible_become_password=${password}`])),
        );
        const wrong = await backup(await buildDirectory('mq1', [...variables, 'ansible_become_password=wrong']));
        expect(wrong).toMatchObject({ status: 13, stdout: expect.stringContaining('HOST_SUDO') });
        const none = await backup(await buildDirectory('mq1', variables));
        expect(none).toMatchObject({ status: 13, stdout: expect.stringContaining('--ask-become-pass') });
      },
    );
  });

  it('by su with the password of root', async () => {
    await during([() => addLogin('lb2', robot({ sudo: 'none', publicKey }), directory.path)], async () => {
      await shellOnHost('lb2', `echo root:${password} | chpasswd`);
      try {
        const variables = [
          'ansible_user=robot',
          'ansible_ssh_private_key_file=~/.ssh/cluster_key',
          'ansible_become_method=su',
        ];
        await expectComplete(
          await backup(await buildDirectory('lb2', [...variables, `ansible_become_password=${password}`])),
        );
      } finally {
        await shellOnHost('lb2', 'passwd -l root');
      }
    });
  });

  it('with a password to log in', async () => {
    await during(
      [
        () => addLogin('lb1', robot({ password }), directory.path),
        () => configureSshd('lb1', ['Match User robot', 'PasswordAuthentication yes']),
      ],
      async () => {
        await expectComplete(
          await backup(await buildDirectory('lb1', ['ansible_user=robot', `ansible_password=${password}`])),
        );
        const wrong = await backup(await buildDirectory('lb1', ['ansible_user=robot', 'ansible_password=wrong']));
        expect(wrong).toMatchObject({ status: 13, stdout: expect.stringContaining('HOST_AUTH') });
      },
    );
  });

  it('where sshd forwards nothing', async () => {
    await during(
      [() => configureSshd('mon2', ['AllowTcpForwarding no', 'AllowStreamLocalForwarding no'])],
      async () => {
        const run = await backup(await buildDirectory('mon2', withKey));
        await expectComplete(run);
        expect(run.warnings).toContain('HOST_FORWARD');
      },
    );
  });

  it('by dropbear', async () => {
    await shellOnHost(
      'lb1',
      'mkdir -p /etc/dropbear && systemd-run --collect --unit=test-dropbear /usr/sbin/dropbear -F -E -R -p 2222 && mkdir -p ~admin/.ssh && cp /etc/ssh/authorized_keys.d/admin ~admin/.ssh/authorized_keys && chown -R admin: ~admin/.ssh && chmod 700 ~admin/.ssh',
    );
    try {
      const accept = `ansible_ssh_common_args='-o StrictHostKeyChecking=accept-new'`;
      const run = await backup(await buildDirectory('lb1', [...withKey, 'ansible_port=2222', accept]));
      await expectComplete(run);
      expect(run.warnings).toContain('HOST_KEY_ADDED');
    } finally {
      await shellOnHost('lb1', 'systemctl stop test-dropbear; rm -rf ~admin/.ssh');
    }
  });

  it("over the system's ssh with a user certificate", async () => {
    await during(
      [
        () => addLogin('mon1', robot({}), directory.path),
        () => configureSshd('mon1', ['TrustedUserCAKeys /etc/ssh/test_authority']),
      ],
      async () => {
        const authority = join(directory.path, 'authority');
        const key = join(home, '.ssh/certified');
        await must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', authority);
        await must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key);
        await must(
          'ssh-keygen',
          '-q',
          '-s',
          authority,
          '-I',
          'robot of tests',
          '-n',
          'robot',
          '-V',
          '+1h',
          `${key}.pub`,
        );
        const trusted = (await readFile(`${authority}.pub`, 'utf8')).trim();
        await onHost('mon1', 'sh', '-c', 'printf "%s\\n" "$1" > /etc/ssh/test_authority', 'sh', trusted);
        const variables = ['ansible_user=robot', `ansible_ssh_private_key_file=${key}`];
        for (const way of [
          // By itself it looks where the user's home is by /etc/passwd, not by $HOME.
          [
            'lsbackup_transport=openssh',
            `ansible_ssh_common_args='-o UserKnownHostsFile=${join(home, '.ssh/known_hosts')}'`,
          ],
          [`ansible_ssh_common_args='-o CertificateFile=${key}-cert.pub'`],
          [],
        ])
          await expectComplete(await backup(await buildDirectory('mon1', [...variables, ...way])));
        await onHost('mon1', 'rm', '/etc/ssh/test_authority');
      },
    );
  });

  it('on the host itself, with ansible_connection=local', async () => {
    const id = await containerId('lb1');
    const place = '/opt/lsbackup-test';
    await onHost('lb1', 'mkdir', '-p', `${place}/packages`, `${place}/target`);
    try {
      await must('docker', 'cp', process.execPath, `${id}:${place}/node`);
      for (const part of ['package.json', 'packages/core', 'packages/cli', 'node_modules'])
        await must('docker', 'cp', '-q', join(root, part), `${id}:${place}/${part}`);
      await shellOnHost('lb1', `printf '[haproxy]\\nlb1 ansible_connection=local\\n' > ${place}/inventory`);
      const run = await onHost(
        'lb1',
        'su',
        'admin',
        '-c',
        `cd ${place} && sudo mkdir -p target && sudo chown admin target && ./node packages/cli/bin/lsbackup.cjs -b inventory -t target --json`,
      );
      expect(jsonLines(run).at(-1)).toMatchObject({ type: 'exit', code: 0 });
      const verify = await onHost(
        'lb1',
        `${place}/node`,
        `${place}/packages/cli/bin/lsbackup.cjs`,
        'verify',
        '-t',
        `${place}/target`,
      );
      expect(verify).toContain('Intact');
    } finally {
      await onHost('lb1', 'rm', '-rf', place);
    }
  });
});
