import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What a program of OpenSSH did. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of OpenSSH to its end; it gets no agent and no input. */
export function runProgram(program: string, parameters: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { env: { PATH: process.env.PATH, LC_ALL: 'C' }, timeout: 30_000 };
    const child = execFile(program, parameters, options, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') resolve({ status, stdout, stderr });
      else reject(error ?? new Error(`${program} did not end`));
    });
    child.stdin?.end();
  });
}

/** Makes a key pair without a passphrase and returns the public key: type and base64. */
export async function makeKey(file: string, type: string): Promise<string> {
  const { status, stdout, stderr } = await runProgram('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', file]);
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`);
  const shown = await runProgram('ssh-keygen', ['-y', '-f', file]);
  return stdout + shown.stdout.trim().split(' ').slice(0, 2).join(' ');
}

/** A real sshd on this machine, for the user who runs the tests. */
export interface RealSshd extends AsyncDisposable {
  readonly port: number;
}

/** Starts one with these lines of sshd_config beside its port; resolves when it answers. */
export async function startSshd(directory: string, configuration: readonly string[]): Promise<RealSshd> {
  const port = await freePort();
  const file = path.join(directory, `sshd_config.${String(port)}`);
  const own = [`Port ${String(port)}`, 'ListenAddress 127.0.0.1', 'PidFile none', 'UsePAM no', 'StrictModes no'];
  await writeFile(file, [...own, ...configuration, ''].join('\n'));
  // sshd changes its root to this directory while somebody logs in, and does not start without it.
  await mkdir('/run/sshd', { recursive: true });
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const gone = once(child, 'exit');
  for (let tries = 0; !(await answers(port)); tries += 1) {
    if (child.exitCode !== null || tries === 100) throw new Error(`sshd did not start: ${said}`);
    await delay(100);
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill();
      await gone;
    },
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
