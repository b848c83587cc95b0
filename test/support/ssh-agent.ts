import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** An ssh-agent of OpenSSH. */
export interface TestAgent extends AsyncDisposable {
  readonly socket: string;
  /** Adds keys that need no passphrase, in this order. */
  add(...files: readonly string[]): Promise<void>;
}

export async function startAgent(): Promise<TestAgent> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-agent-'));
  const socket = path.join(directory, 'agent');
  const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  const closed = once(child, 'close');
  for (let tries = 0; !existsSync(socket); tries += 1) {
    if (tries > 100) throw new Error('ssh-agent does not start');
    await delay(50);
  }
  return {
    socket,
    async add(...files) {
      for (const file of files)
        await promisify(execFile)('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
