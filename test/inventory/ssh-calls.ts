import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { ansibleInventory } from './ansible.js';

/** A call of ssh by Ansible. */
export interface SshCall {
  readonly host: string;
  /** Before the host, without what Ansible writes on its own account. */
  readonly words: readonly string[];
  /** What Ansible answers when ssh asks for a password; undefined where it has none. */
  readonly password: string | undefined;
}

/** Writes each word that it is called with, asks for the password as ssh does, and connects to nothing. */
const recorder = `#!/bin/sh
for word; do printf '%s\\0' "$word"; done > "$RECORDS/$$"
if [ -n "$SSH_ASKPASS" ]; then "$SSH_ASKPASS" 'password:' > "$RECORDS/$$.password"; fi
exit 255
`;

/** What Ansible gives ssh on its own account: to keep connections, to give up, to run the module. */
const ownOptions = /^(?:ControlPath=|ConnectTimeout=10$|NumberOfPasswordPrompts=1$)/;

/** What Ansible calls ssh with for each host of an inventory; none for a host that it refuses. The directory is for its records. */
export async function callsOfSsh(inventory: string, directory: string): Promise<readonly SshCall[]> {
  const records = join(directory, 'records');
  const program = join(directory, 'ssh');
  await mkdir(records);
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
  const options = { env, cwd: directory, maxBuffer: 64 * 1024 * 1024 };
  await promisify(execFile)(ansible, words, options).catch(() => undefined);
  const names = (await readdir(records)).filter((name) => !name.endsWith('.password'));
  return Promise.all(names.map((name) => callOf(join(records, name))));
}

async function callOf(record: string): Promise<SshCall> {
  const called = (await readFile(record, 'utf8')).split('\0').slice(0, -1);
  const end = called.indexOf('-tt');
  const words = called.slice(called[0] === '-q' ? 1 : 0, end);
  const password = await readFile(`${record}.password`, 'utf8').catch(() => undefined);
  return { host: called[end + 1] ?? '', words: withoutOwn(words), password: password?.replace(/\n$/, '') };
}

function withoutOwn(words: readonly string[]): readonly string[] {
  return words.filter(
    (word, index) => !ownOptions.test(word) && !(word === '-o' && ownOptions.test(words[index + 1] ?? '')),
  );
}
