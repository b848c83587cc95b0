import { describe, expect, it } from '@jest/globals';
import { BackupError, type Host, loadCluster } from '@lsbackup/core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { addressText, becomeText, wayText } from './way-text.js';

async function hostOf(variables: string): Promise<Host> {
  const directory = await mkdtemp(join(tmpdir(), 'lsbackup-way-'));
  try {
    const source = join(directory, 'inventory');
    await writeFile(source, `web1 ${variables}\n`);
    const user = { name: 'me', homeDirectory: directory };
    const [host] = (await loadCluster({ source, user, sshConfig: { user: source + '1', system: source + '2' } })).hosts;
    if (host === undefined) throw new BackupError('INTERNAL', 'web1 is missing');
    return host;
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe('the way to a host', () => {
  it.each([
    ['', ['web1:22', 'ssh', 'sudo']],
    ['ansible_host=2001:db8::1 ansible_port=23', ['[2001:db8::1]:23', 'ssh', 'sudo']],
    ['lsbackup_transport=openssh ansible_become=no', ['web1:22', 'openssh', 'no']],
    ['ansible_connection=local ansible_become_method=su ansible_become_pass=x', ['-', 'local', 'su with a password']],
    ["ansible_ssh_common_args='-J a,bob@b:2222'", ['web1:22', 'ssh via a:22, bob@b:2222', 'sudo']],
    [`ansible_ssh_common_args='-o ProxyCommand="sshpass -p hunter2 x"'`, ['web1:22', 'ssh by a command', 'sudo']],
    ['ansible_connection=winrm', ['-', 'refused', '-']],
  ])('%s is shown as %j', async (variables, expected) => {
    const host = await hostOf(variables);
    expect([addressText(host), wayText(host), becomeText(host)]).toEqual(expected);
  });
});
