import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadCluster } from '../../packages/core/src/index.js';
import { ansibleInventory } from './ansible.js';

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

/** Writes each word that it is called with, and connects to nothing. */
const recorder = `#!/bin/sh
for word; do printf '%s\\0' "$word"; done > "$RECORDS/$$"
exit 255
`;

/** What Ansible gives ssh on its own account: to keep connections, to give up, to run the module. */
const ownOptions = /^(?:ControlPath=|ConnectTimeout=10$|NumberOfPasswordPrompts=1$)/;

/** The words before the host that Ansible calls ssh with, by host. */
async function ansibleArguments(inventory: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const records = join(directory, 'records');
  const program = join(directory, 'ssh');
  await promisify(execFile)('mkdir', [records]);
  await writeFile(program, recorder);
  await chmod(program, 0o755);
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    LC_ALL: 'C.UTF-8',
    RECORDS: records,
    ANSIBLE_SSH_EXECUTABLE: program,
    ANSIBLE_SSH_ARGS: '-q',
  };
  const ansible = join(dirname(ansibleInventory()), 'ansible');
  const words = ['-i', inventory, 'all', '-m', 'raw', '-a', 'true', '-f', '20'];
  // No host can be reached, so the program fails.
  await promisify(execFile)(ansible, words, { env, cwd: directory }).catch(() => undefined);
  const found = new Map<string, readonly string[]>();
  for (const name of await readdir(records)) {
    const called = (await readFile(join(records, name), 'utf8')).split('\0').slice(0, -1);
    const host = called[called.indexOf('-tt') + 1] ?? '';
    found.set(host, called.slice(called[0] === '-q' ? 1 : 0, called.indexOf('-tt')));
  }
  return found;
}

function withoutOwn(words: readonly string[]): readonly string[] {
  return words.filter(
    (word, index) => !ownOptions.test(word) && !(word === '-o' && ownOptions.test(words[index + 1] ?? '')),
  );
}

describe('the arguments of ssh', () => {
  it('are those that Ansible calls it with', async () => {
    const inventory = join(directory, 'inventory');
    const lines = hosts.map((variables, index) => `h${index} ansible_host=10.0.0.${index + 1} ${variables}`);
    await writeFile(inventory, `${lines.join('\n')}\n`);
    const expected = await ansibleArguments(inventory);
    const cluster = await loadCluster({ source: inventory, user: { name: 'me', homeDirectory: directory } });
    for (const { name, connection, refusal } of cluster.hosts) {
      expect(refusal).toBeUndefined();
      expect([name, connection.sshArguments]).toEqual([
        name,
        withoutOwn(expected.get(connection.sshDestination) ?? ['none']),
      ]);
    }
    expect(expected.size).toBe(hosts.length);
  });
});
