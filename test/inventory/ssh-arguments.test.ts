import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadCluster } from '../../packages/core/src/index.js';
import { callsOfSsh } from './ssh-calls.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-ansible-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** What the hosts of the inventory have set, one line each; their addresses tell them apart. */
const hosts = [
  '',
  'ansible_port=2222 ansible_user=bob',
  'ansible_user="a b" ansible_ssh_user=carol ansible_ssh_port=23',
  'ansible_ssh_private_key_file=~/.ssh/id_rsa',
  'ansible_private_key_file="/with space/key" ansible_ssh_private_key_file=rel/key',
  'ansible_host_key_checking=no',
  'ansible_host_key_checking=yes ansible_ssh_host_key_checking=false',
  'ansible_ssh_timeout=7',
  'ansible_timeout=8',
  'ansible_ssh_timeout=7 ansible_timeout=8',
  'ansible_password=hunter2',
  'ansible_ssh_pass=hunter2 ansible_user=bob',
  `ansible_ssh_args='-4 -o "User x" -i ~/k'`,
  `ansible_ssh_common_args='-J a,b' ansible_ssh_extra_args='-v -o Port=5'`,
  `ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q bob@bastion -i key"'`,
  `ansible_ssh_args='-p 1' ansible_port=2 ansible_ssh_common_args='-p 3' ansible_ssh_extra_args='-p 4' ansible_user=u ansible_host_key_checking=0`,
  `ansible_ssh_common_args="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"`,
  `ansible_ssh_extra_args='-o ServerAliveInterval=60 -o ServerAliveCountMax=1'`,
];

describe('the arguments of ssh', () => {
  it('are those that Ansible calls it with', async () => {
    const inventory = join(directory, 'inventory');
    const lines = hosts.map((variables, index) => `h${index} ansible_host=10.0.0.${index + 1} ${variables}`);
    await writeFile(inventory, `${lines.join('\n')}\n`);
    const calls = await callsOfSsh(inventory, directory);
    const expected = new Map(calls.map(({ host, words }) => [host, words]));
    const cluster = await loadCluster({ source: inventory, user: { name: 'me', homeDirectory: directory } });
    for (const { name, connection, refusal } of cluster.hosts) {
      expect(refusal).toBeUndefined();
      expect([name, connection.sshArguments]).toEqual([name, expected.get(connection.sshDestination)]);
    }
    expect(expected.size).toBe(hosts.length);
  });
});
