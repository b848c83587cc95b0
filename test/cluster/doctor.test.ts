import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Check, Diagnosis } from '@lsbackup/core';
import { onHost, shellOnHost, untilNothingIsLeft } from '../support/cluster-host.js';
import { type Finished, lsbackup, must, root, temporaryDirectory } from '../support/lsbackup.js';

jest.setTimeout(120_000);

const buildDirectory = 'test/cluster/build';

describe('doctor of the healthy cluster', () => {
  let target: Awaited<ReturnType<typeof temporaryDirectory>>;
  let json: Finished;
  let diagnosis: Diagnosis;

  beforeAll(async () => {
    target = await temporaryDirectory();
    json = await lsbackup('doctor', '-b', buildDirectory, '-t', target.path, '--json');
    diagnosis = JSON.parse(json.stdout) as Diagnosis;
  });
  afterAll(async () => {
    await target[Symbol.asyncDispose]();
  });

  it('ends with 0 and finds every unit, and only what is known to be doubtful', () => {
    expect(json.status).toBe(0);
    expect(diagnosis.checks.filter(({ status }) => ['failed', 'skipped'].includes(status))).toEqual([]);
    const warnings = diagnosis.checks.filter(({ status }) => status === 'warning').map(({ code }) => code);
    expect(warnings.sort()).toEqual(['DATABASE_SKIPPED', 'MESSAGES_NOT_SAVED']);
    const units = diagnosis.checks.flatMap(({ subject, detail, status }) =>
      subject.kind === 'component' && status === 'ok'
        ? [`${subject.component}/${subject.unit} ${detail.split(' ')[0] ?? ''}`]
        : [],
    );
    expect(units).toEqual([
      'haproxy/lb1 HAProxy',
      'haproxy/lb2 HAProxy',
      'postgresql/db1 PostgreSQL',
      'rabbitmq/mq1 RabbitMQ',
      'prometheus/mon1 Prometheus',
      'prometheus/mon2 Prometheus',
      'alertmanager/mon1 Alertmanager',
      'alertmanager/mon2 Alertmanager',
    ]);
  });

  it('leaves nothing on the hosts and at the target', async () => {
    await untilNothingIsLeft(['lb1', 'db1', 'mq1', 'mon1']);
    expect(await must('ls', '-A', target.path)).toBe('');
  });

  it('prints a table that is no wider than 100 columns', async () => {
    const { stdout, status } = await lsbackup('doctor', '-b', buildDirectory, '-t', target.path);
    expect(status).toBe(0);
    const [table = ''] = stdout.split('\n\n').slice(1);
    expect(table.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(stdout).toMatch(/^host db1 +ok +connected in \d+ ms/m);
    expect(stdout.trimEnd()).toMatch(/Nothing would fail a backup\.$/);
  });
});

/** All of them on lb2, which is reached as several users, and taken back. */
describe('doctor of hosts with a fault each', () => {
  const users = ['doctor-password', 'doctor-tty', 'doctor-closed'];
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let diagnosis: Diagnosis;
  let text: Finished;

  async function seed(): Promise<void> {
    await shellOnHost(
      'lb2',
      `for user in ${users.join(' ')}; do
         useradd --create-home --shell /bin/bash "$user"
         cp /etc/ssh/authorized_keys.d/admin "/etc/ssh/authorized_keys.d/$user"
       done
       cat >/etc/sudoers.d/doctor <<'END'
doctor-password ALL=(ALL) ALL
doctor-tty ALL=(ALL) NOPASSWD:ALL
Defaults:doctor-tty requiretty
doctor-closed ALL=(ALL) NOPASSWD:ALL
END
       cat >/etc/ssh/sshd_config.d/90-doctor.conf <<'END'
Match User doctor-closed
  AllowTcpForwarding no
  MaxSessions 2
END
       systemctl reload ssh
       systemctl stop haproxy
       mkdir /var/lib/lsbackup
       mount -t tmpfs -o size=64k tmpfs /var/lib/lsbackup
       mkdir -p /var/lib/lsbackup/20240506T070809Z-11111111-1
       touch -d '2 hours ago' /var/lib/lsbackup/20240506T070809Z-11111111-1
       dd if=/dev/zero of=/var/lib/lsbackup/filler bs=1k count=60 2>/dev/null`,
    );
  }

  async function takeBack(): Promise<void> {
    await shellOnHost(
      'lb2',
      `systemctl start haproxy
       rm -f /etc/ssh/sshd_config.d/90-doctor.conf /etc/sudoers.d/doctor
       systemctl reload ssh
       for user in ${users.join(' ')}; do
         userdel --remove "$user" 2>/dev/null || :
         rm -f "/etc/ssh/authorized_keys.d/$user"
       done
       umount /var/lib/lsbackup 2>/dev/null || :
       rmdir /var/lib/lsbackup 2>/dev/null || :`,
    );
  }

  async function writeInventory(): Promise<string> {
    const own = (name: string): string => join(directory.path, name);
    const knownHosts = await readFile(join(root, buildDirectory, 'ssh/known_hosts'), 'utf8');
    // The key of another host, as if lb2 had been installed anew.
    const other = knownHosts.split('\n').find((line) => line.startsWith('172.28.0.11 '))!;
    await writeFile(own('changed'), `${other.replace('172.28.0.11', '172.28.0.12')}\n`);
    await must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', own('stranger'));
    const key = join(buildDirectory, 'ssh/id_ed25519');
    const trusting = (file: string): string => `ansible_ssh_common_args='-o UserKnownHostsFile=${file}'`;
    const lines = [
      '[haproxy]',
      'down ansible_host=172.28.0.250',
      `changed ansible_host=172.28.0.12 ${trusting(own('changed'))}`,
      `stranger ansible_host=172.28.0.12 ansible_ssh_private_key_file=${own('stranger')}`,
      `keyless ansible_host=172.28.0.12 ansible_ssh_private_key_file=${own('nothing')}`,
      'password ansible_host=172.28.0.12 ansible_user=doctor-password',
      'tty ansible_host=172.28.0.12 ansible_user=doctor-tty',
      'closed ansible_host=172.28.0.12 ansible_user=doctor-closed',
      'stopped ansible_host=172.28.0.12',
      '[all:vars]',
      'ansible_user=admin',
      `ansible_ssh_private_key_file=${key}`,
      trusting(join(buildDirectory, 'ssh/known_hosts')),
    ];
    await writeFile(own('inventory'), `${lines.join('\n')}\n`);
    return own('inventory');
  }

  beforeAll(async () => {
    directory = await temporaryDirectory();
    const inventory = await writeInventory();
    try {
      await seed();
      // Nobody can write there, root included.
      const json = await lsbackup('doctor', '-b', inventory, '-t', '/sys', '--json');
      expect(json.status).toBe(13);
      diagnosis = JSON.parse(json.stdout) as Diagnosis;
      text = await lsbackup('doctor', '-b', inventory, '-t', '/sys');
    } finally {
      await takeBack();
    }
  });
  afterAll(async () => {
    await directory[Symbol.asyncDispose]();
  });

  function problems(subject: (subject: Check['subject']) => boolean): readonly Check[] {
    return diagnosis.checks.filter((each) => subject(each.subject) && ['failed', 'warning'].includes(each.status));
  }

  it.each<[string, string, string, RegExp]>([
    ['down', 'reach', 'HOST_UNREACHABLE', /ansible_host/],
    ['changed', 'host-key', 'HOST_KEY', /ssh-keygen -R/],
    ['stranger', 'login', 'HOST_AUTH', /authorized_keys/],
    ['keyless', 'login', 'HOST_KEY_FILE', /ansible_ssh_private_key_file/],
    ['password', 'become', 'HOST_SUDO', /NOPASSWD/],
    ['tty', 'become', 'HOST_TTY', /!requiretty/],
  ])('%s: %s fails with %s, and what to do, once', (host, check, code, remedy) => {
    const found = problems((subject) => 'host' in subject && subject.host === host);
    expect(found).toEqual([
      expect.objectContaining({ check, status: 'failed', code, remedy: expect.stringMatching(remedy) }),
    ]);
    expect(problems((subject) => 'unit' in subject && subject.unit === host)).toEqual([]);
  });

  it('a host that refuses forwarding and more than two sessions', () => {
    const found = problems((subject) => 'host' in subject && subject.host === 'closed');
    expect(found).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          check: 'forwarding',
          status: 'warning',
          remedy: expect.stringContaining('AllowTcpForwarding'),
        }),
        expect.objectContaining({
          check: 'sessions',
          status: 'warning',
          remedy: expect.stringContaining('MaxSessions'),
        }),
      ]),
    );
  });

  it('a host whose disk is full where a run records what it makes, with what a dead run left', () => {
    expect(problems((subject) => 'host' in subject && subject.host === 'stopped')).toEqual([
      expect.objectContaining({ check: 'leftovers', status: 'warning' }),
      expect.objectContaining({
        check: 'space',
        status: 'warning',
        remedy: expect.stringContaining('/var/lib/lsbackup'),
      }),
    ]);
  });

  it('a service that is stopped', () => {
    expect(problems((subject) => 'unit' in subject && subject.unit === 'stopped')).toMatchObject([
      { check: 'discovery', code: 'SERVICE_DOWN', remedy: expect.stringContaining('Start it') as unknown },
    ]);
  });

  it('a target that cannot be written', () => {
    expect(problems((subject) => subject.kind === 'target')).toMatchObject([
      {
        check: 'write',
        status: 'failed',
        code: 'TARGET_READ_ONLY',
        remedy: expect.stringContaining('writable') as unknown,
      },
    ]);
  });

  it('names each in its text, with the remedy in words', () => {
    expect(text.status).toBe(13);
    for (const { remedy = '', status } of diagnosis.checks)
      if (status === 'failed') expect(text.stdout).toContain(`-> ${remedy}`);
    expect(text.stdout).not.toMatch(/^\s+at /m);
  });

  it('changed nothing', async () => {
    await untilNothingIsLeft(['lb2']);
    expect((await onHost('lb2', 'systemctl', 'is-active', 'haproxy')).trim()).toBe('active');
  });
});
