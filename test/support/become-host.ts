import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Become, Connection } from '../../packages/core/src/cluster/cluster.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { startCutProxy } from './cut-proxy.js';
import { trusting } from './sample-remote.js';
import { addUser, asRoot, connectAs, removeUser, sshDirectory } from './test-users.js';

// A user on the host mq1 of the test cluster who needs a password to become root.

export const host = { name: 'mq1', address: '172.28.0.31' };
export const name = 'lsbackup-become';
export const password = `pä$$ "w'o\\rd!`;
export const rootPassword = `rö"t's word$`;
const sudoers = '/etc/sudoers.d/lsbackup-test-become';

export interface BecomeHost extends AsyncDisposable {
  /** Root without a password. */
  readonly root: RemoteHost;
  connect(method: Become['method'], password: string | undefined, change?: Partial<Connection>): Promise<RemoteHost>;
  /** Settings for sudo, and what the user may do: all unless said. */
  allow(defaults: string, rule?: string): Promise<void>;
}

/** Makes the user, and gives root a password; both are undone at the end. */
export async function becomeHost(): Promise<BecomeHost> {
  const root = await connectAs(host);
  const shadow = (await asRoot(root, 'getent shadow root | cut -d: -f2')).trim();
  await addUser(root, { name, password });
  await asRoot(root, 'chpasswd', `root:${rootPassword}\n`);
  return {
    root,
    connect: (method, text, change = {}) => connectAs(host, { user: name, become: become(method, text), ...change }),
    async allow(defaults, rule = `${name} ALL=(ALL:ALL) ALL`) {
      const script = 'cat > "$1.new"; visudo -cqf "$1.new"; mv "$1.new" "$1"';
      await asRoot(root, script, `${defaults}\n${rule}\n`, sudoers);
    },
    async [Symbol.asyncDispose]() {
      await asRoot(root, 'usermod -p "$1" root; rm -f "$2"', '', shadow, sudoers);
      await removeUser(root, name);
      await root[Symbol.asyncDispose]();
    },
  };
}

export function become(method: Become['method'], text: string | undefined): Become {
  return { method, password: text === undefined ? undefined : new Secret(text) };
}

/** The way through a proxy that can cut the connection, while the action runs. */
export async function throughProxy(
  action: (change: Partial<Connection>, cut: () => void) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-become-'));
  try {
    await using proxy = await startCutProxy({ host: host.address, port: 22 });
    const keys = (await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8')).split('\n');
    const known = keys.filter((line) => line.startsWith(`${host.address} `));
    const file = path.join(directory, 'known_hosts');
    const proxyName = `[127.0.0.1]:${String(proxy.port)}`;
    await writeFile(file, known.map((line) => `${line.replace(host.address, proxyName)}\n`).join(''));
    await action({ address: '127.0.0.1', port: proxy.port, hostKeys: trusting(file) }, () => proxy.cutAfter(0));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
