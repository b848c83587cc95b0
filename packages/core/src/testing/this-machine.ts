import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Command, RemoteProcess } from '../remote/remote-host.js';
import { FakeHost, runHere } from './fake-host.js';

/** A host whose shell scripts run on this machine, as the user who runs the tests. */
export class ThisMachine extends FakeHost {
  /** Everything started, so that a test can look at it and leave nothing running. */
  readonly processes: ChildProcess[] = [];

  constructor() {
    super({ rules: [{ argv: /^sh -c/, answer: runHere }] });
  }

  override start(command: Command): Promise<RemoteProcess> {
    const [program = '', ...rest] = command.argv;
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.processes.push(child);
    const exit = once(child, 'exit').then(([status]) => Number(status));
    const kill = (): Promise<void> => Promise.resolve(void child.kill());
    return Promise.resolve({ stdin: child.stdin, stdout: child.stdout, exit, [Symbol.asyncDispose]: kill });
  }
}
