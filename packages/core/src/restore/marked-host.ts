import type { RemoteHost } from '../remote/remote-host.js';

/** Every process that a restore starts on a host has it in its environment, so that a later process can tell what is left of the run. */
export const markName = 'LSBACKUP_RESTORE';

/** What one set of a run marks its processes with. */
export function setMark(runId: string, set: number): string {
  return `${runId}/${String(set)}`;
}

/** The lock on a host, which must be told from the work of the sets there. */
export function lockMark(runId: string): string {
  return `${runId}/lock`;
}

/** The same host, with every command marked. */
export function markHost(remote: RemoteHost, mark: string): RemoteHost {
  const marked = <C extends Parameters<RemoteHost['run']>[0]>(command: C): C => ({
    ...command,
    env: { ...command.env, [markName]: mark },
  });
  return {
    host: remote.host,
    get facts() {
      return remote.facts;
    },
    run: (command, options) => remote.run(marked(command), options),
    read: (command, options) => remote.read(marked(command), options),
    write: (command, input, options) => remote.write(marked(command), input, options),
    start: (command, options) => remote.start(marked(command), options),
    connect: (to, options) => remote.connect(to, options),
    // It belongs to whoever made the connection.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
