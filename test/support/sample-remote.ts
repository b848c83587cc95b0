import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Connection, Host, HostKeyPolicy, LocalUser } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection, plainHostKeyPolicy } from '../../packages/core/src/cluster/connection/plain-connection.js';
import type { Warning } from '../../packages/core/src/model/artifact.js';
import { connectHost } from '../../packages/core/src/remote/connect-host.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { generateKey, startSampleHost } from './ssh-server.mjs';
import type { SampleHost, SampleHostOptions } from './ssh-server.mjs';

/** A server inside the process, and a host of an inventory that reaches it. Commands run without sudo. */
export interface SampleRemote extends AsyncDisposable {
  readonly server: SampleHost;
  readonly host: Host;
  readonly user: LocalUser;
  /** For files of the test; removed at the end. */
  readonly directory: string;
  /** Checking is off, and the file of known hosts has another key of the host. */
  changedKey(): Promise<HostKeyPolicy>;
  connect(change?: Partial<Connection>, warn?: (warning: Warning) => void): Promise<RemoteHost>;
}

export async function sampleRemote(options: Omit<SampleHostOptions, 'authorizedKeys'> = {}): Promise<SampleRemote> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-remote-'));
  const key = generateKey('user');
  const server = await startSampleHost({ ...options, authorizedKeys: [key.publicKey] });
  await writeFile(path.join(directory, 'id'), key.privateKey, { mode: 0o600 });
  await writeFile(path.join(directory, 'known_hosts'), server.knownHostsLine);
  const connection: Connection = {
    ...plainConnection(server.address),
    port: server.port,
    user: 'someone',
    identityFiles: [path.join(directory, 'id')],
    become: undefined,
    hostKeys: trusting(path.join(directory, 'known_hosts')),
  };
  const host: Host = { name: 'sample1', groups: [], variables: {}, connection };
  const user: LocalUser = { name: 'someone', homeDirectory: directory };
  const opened: RemoteHost[] = [];
  return {
    server,
    host,
    user,
    directory,
    async changedKey() {
      const file = path.join(directory, 'other_host');
      const [name] = server.knownHostsLine.split(' ');
      await writeFile(file, `${name} ${generateKey().publicKey}\n`);
      return { ...trusting(file), strict: 'no' };
    },
    async connect(change = {}, warn = () => undefined) {
      const changed = { ...host, connection: asInventory({ ...connection, ...change }) };
      const remote = await connectHost(changed, { user, warn, retryPause: 10 });
      opened.push(remote);
      return remote;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((remote) => remote[Symbol.asyncDispose]()));
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** With the login written as words of ssh too, as an inventory has it: all that counts where the system's ssh was chosen. */
export function asInventory(connection: Connection): Connection {
  const { address, port, user, identityFiles, identitiesOnly, hostKeys } = connection;
  const files = hostKeys.userFiles ?? [];
  const options = [
    `Port=${port}`,
    ...(user === undefined ? [] : [`User=${user}`]),
    ...(identityFiles ?? []).map((file) => `IdentityFile=${file}`),
    ...(identitiesOnly ? ['IdentitiesOnly=yes'] : []),
    ...(files.length === 0 ? [] : [`UserKnownHostsFile=${files.join(' ')}`]),
    ...(hostKeys.globalFiles === undefined ? [] : ['GlobalKnownHostsFile=/dev/null']),
    ...(hostKeys.alias === undefined ? [] : [`HostKeyAlias=${hostKeys.alias}`]),
    `StrictHostKeyChecking=${hostKeys.strict}`,
    ...(connection.proxyCommand === undefined ? [] : [`ProxyCommand=${connection.proxyCommand}`]),
  ];
  const words = options.flatMap((option) => ['-o', option]);
  return { ...connection, sshDestination: address, sshArguments: [...connection.sshArguments, ...words] };
}

/** The policy of a host whose key is in one of these files. */
export function trusting(...userFiles: readonly string[]): HostKeyPolicy {
  return { ...plainHostKeyPolicy, userFiles, globalFiles: [] };
}

/** The error a promise rejects with; fails when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const value = await promise.then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
  if ('error' in value) return value.error;
  throw new Error(`expected a rejection, got ${JSON.stringify(value.result)}`);
}

/** Reads a stream to its end; resolves with what came and the error it ended with, if any. */
export async function drain(
  stream: AsyncIterable<unknown>,
): Promise<{ readonly bytes: number; readonly error: unknown }> {
  let bytes = 0;
  try {
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    return { bytes, error: undefined };
  } catch (error) {
    return { bytes, error };
  }
}
