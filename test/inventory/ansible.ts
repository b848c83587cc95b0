import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** What `ansible-inventory -i FILE --list` did. */
export interface AnsibleAnswer {
  readonly file: string;
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const driver = join(import.meta.dirname, 'oracle.py');
const limitDriver = join(import.meta.dirname, 'patterns.py');

/** Path of the `ansible-inventory` to compare with, which may be given as the folder it is in; a test that has none fails. */
export function ansibleInventory(): string {
  const path = process.env.LSBACKUP_TEST_ANSIBLE;
  if (path === undefined || path === '') {
    throw new Error('LSBACKUP_TEST_ANSIBLE must be the path of ansible-inventory; test/setup/ansible.mjs installs one');
  }
  return statSync(path).isDirectory() ? join(path, 'ansible-inventory') : path;
}

/** Lists one file with the program itself. */
export async function listWithProgram(file: string, ...more: readonly string[]): Promise<AnsibleAnswer> {
  return inEmptyDirectory(async (directory) => {
    const program = start(ansibleInventory(), ['-i', file, '--list', ...more], directory);
    program.stdin.end();
    const [stdout, stderr] = await Promise.all([textOf(program.stdout), textOf(program.stderr)]);
    return { file, status: await program.status, stdout, stderr };
  });
}

/** Lists many files with Ansible's own code at the price of one start; the answers are in the order of the files. */
export async function listWithAnsible(files: readonly string[]): Promise<AnsibleAnswer[]> {
  return inEmptyDirectory(async (directory) => {
    const program = start(join(dirname(ansibleInventory()), 'python'), [driver], directory);
    const errors = textOf(program.stderr);
    program.stdin.end(files.map((file) => `${file}\n`).join(''));
    const answers: AnsibleAnswer[] = [];
    for await (const line of createInterface({ input: program.stdout }))
      answers.push(JSON.parse(line) as AnsibleAnswer);
    const status = await program.status;
    if (status !== 0 || answers.length !== files.length) {
      throw new Error(`the Ansible driver answered ${answers.length} of ${files.length} files: ${await errors}`);
    }
    return answers;
  });
}

/** What `ansible all -i FILE --list-hosts --limit LIMIT` chooses, or why it fails. */
export interface LimitAnswer {
  readonly hosts?: readonly string[];
  readonly error?: string;
  readonly warnings: readonly string[];
}

/** Asks Ansible's own code for the hosts of many limits at the price of one start; the answers are in the order of the limits. */
export async function limitWithAnsible(file: string, limits: readonly string[]): Promise<LimitAnswer[]> {
  return inEmptyDirectory(async (directory) => {
    const program = start(join(dirname(ansibleInventory()), 'python'), [limitDriver], directory);
    const errors = textOf(program.stderr);
    program.stdin.end(limits.map((limit) => `${JSON.stringify({ file, limit })}\n`).join(''));
    const lines = (await textOf(program.stdout)).split('\n').filter((line) => line !== '');
    const status = await program.status;
    if (status !== 0 || lines.length !== limits.length)
      throw new Error(`the Ansible driver answered ${lines.length} of ${limits.length} limits: ${await errors}`);
    return lines.map((line) => JSON.parse(line) as LimitAnswer);
  });
}

/** The same with the program itself; undefined where it fails. */
export async function limitWithProgram(file: string, limit: string): Promise<readonly string[] | undefined> {
  return inEmptyDirectory(async (directory) => {
    const parameters = ['all', '-i', file, '--list-hosts', '--limit', limit];
    const program = start(join(dirname(ansibleInventory()), 'ansible'), parameters, directory);
    program.stdin.end();
    const [stdout] = await Promise.all([textOf(program.stdout), textOf(program.stderr)]);
    const [, ...hosts] = stdout.split('\n').map((line) => line.trim());
    return (await program.status) === 0 ? hosts.filter((host) => host !== '') : undefined;
  });
}

/** Ansible also reads `group_vars` of the working directory and settings of the environment: there are none here. */
function start(command: string, parameters: readonly string[], cwd: string) {
  const env = {
    PATH: process.env.PATH,
    HOME: cwd,
    LC_ALL: 'C.UTF-8',
    PYTHONHASHSEED: '0',
    ANSIBLE_CONFIG: join(cwd, 'ansible.cfg'),
    ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: 'true',
  };
  const child = spawn(command, parameters, { cwd, env, stdio: 'pipe' });
  const status = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve(code ?? 128);
    });
  });
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, status };
}

async function inEmptyDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'lsbackup-ansible-'));
  try {
    await writeFile(join(directory, 'ansible.cfg'), '');
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}
