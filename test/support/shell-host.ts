import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from '@jest/globals';
import type { Connection } from '../../packages/core/src/cluster/cluster.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { addUser, asRoot, authorize, connectAs, removeUser, sshDirectory } from './test-users.js';

// A user on the host db1 of the test cluster whose login shell can be any.

export const host = { name: 'db1', address: '172.28.0.21' };
export const name = 'lsbackup-shell';
export const home = `/home/${name}`;
/** Takes words of about 2,000 bytes at most. */
export const oldCsh = '/usr/bin/bsd-csh';
const password = 'open sesame';
const ash = '/usr/local/lib/lsbackup-test/ash';
export const shells = [
  '/bin/sh',
  '/bin/bash',
  '/usr/bin/zsh',
  '/usr/bin/fish',
  '/usr/bin/tcsh',
  oldCsh,
  '/usr/bin/mksh',
  ash,
];
const sudoers = '/etc/sudoers.d/lsbackup-test-shell';

/** Whatever means something to some shell. */
const words = [
  '',
  ' ',
  "it's",
  '"double"',
  'back\\slash',
  '\\\\two\\\\',
  "\\'",
  'trailing\\',
  'line\nbreak\n\nend\n',
  'tab\tcr\rend',
  '!event !! !$ a!b',
  '$HOME ${HOME} $(id) `id` $?',
  '* ? [a-z] {a,b} ~ ~root',
  '%self %1 %%',
  '# no comment',
  'a=b =ls',
  '; & | < > ( ) ^',
  'ünï©ödé 漢字 \u{1f600}',
  '-n',
  '@x',
];

export interface ShellHost extends AsyncDisposable {
  readonly root: RemoteHost;
  /** As the user, who becomes root by sudo with a password. */
  connect(change?: Partial<Connection>): Promise<RemoteHost>;
  setShell(shell: string): Promise<void>;
  /** Has a start file in the user's home for as long as the action takes. */
  withStartFile(file: string, text: string, action: () => Promise<void>): Promise<void>;
  /** What stands before the key in authorized_keys. */
  restrictKey(options: string): Promise<void>;
}

/** Makes the user, who is gone at the end. */
export async function shellHost(): Promise<ShellHost> {
  const root = await connectAs(host);
  await addUser(root, { name, password });
  await asRoot(root, 'cat > "$1"', `${name} ALL=(ALL:ALL) ALL\n`, sudoers);
  await asRoot(root, 'd=$(dirname "$1"); mkdir -p "$d"; chmod 755 "$d"; ln -sf /usr/bin/busybox "$1"', '', ash);
  return {
    root,
    connect: (change = {}) =>
      connectAs(host, { user: name, become: { method: 'sudo', password: new Secret(password) }, ...change }),
    async setShell(shell) {
      await asRoot(root, 'usermod -s "$1" "$2"', '', shell, name);
    },
    async withStartFile(file, text, action) {
      const full = path.posix.join(home, file);
      const write = 'mkdir -p "$(dirname "$1")"; cat > "$1"; chown -R "$2" "$3"';
      await asRoot(root, write, text, full, `${name}:${name}`, home);
      try {
        await action();
      } finally {
        await asRoot(root, 'rm -f "$1"', '', full);
      }
    },
    async restrictKey(options) {
      await authorize(root, name, `${options} ${await readFile(path.join(sshDirectory, 'id_ed25519.pub'), 'utf8')}`);
    },
    async [Symbol.asyncDispose]() {
      await asRoot(root, 'rm -rf "$1" "$(dirname "$2")"', '', sudoers, ash);
      await removeUser(root, name);
      await root[Symbol.asyncDispose]();
    },
  };
}

/** The command gets its words and its input as they are, and its output and status come back so. */
export async function useWell(remote: RemoteHost, longest = 60_000): Promise<void> {
  for (const become of ['root', false] as const) {
    const printed = await remote.run({ argv: ['printf', '%s\\0', ...words], become });
    expect(printed.stdout.toString()).toBe(words.map((word) => `${word}\0`).join(''));
    expect(printed.stderr).toBe('');
    const long = 'x y'.repeat(longest / 3);
    expect((await remote.run({ argv: ['printf', '%s', long], become })).stdout.toString()).toBe(long);
    const bytes = randomBytes(3_000_000);
    const echoed = await remote.run({ argv: ['cat'], become }, { input: bytes });
    expect(createHash('sha256').update(echoed.stdout).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
    expect((await remote.run({ argv: ['sh', '-c', 'exit 9'], become, accept: [9] })).status).toBe(9);
    const environment = { argv: ['sh', '-c', 'echo "$A|$LC_ALL|$(pwd)"'], env: { A: "b'\n!" }, cwd: '/usr', become };
    expect((await remote.run(environment)).stdout.toString()).toBe("b'\n!|C|/usr\n");
  }
}
