import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { collect, type Ended, program } from './harness.js';

/** Variables of a group and a host are encrypted with the password below, by ansible-vault. */
const sample = join(import.meta.dirname, '../inventory/corpus/valid/vault-files');
const password = 'correct horse';

describe('a build directory with encrypted files of variables', () => {
  let directory: string;
  let build: string;
  let passwordFile: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-vault-'));
    build = join(directory, 'build');
    passwordFile = join(directory, 'password');
    await cp(sample, build, { recursive: true });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const run = (parameters: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> => {
    const env = { PATH: process.env.PATH, HOME: directory, ...environment };
    const child = spawn(process.execPath, [program, ...parameters], { env });
    child.stdin.end();
    return collect(child);
  };
  const inventory = (...parameters: string[]): Promise<Ended> => run(['inventory', '-b', build, ...parameters]);

  it.each(['inventory', 'plan', 'backup'])('%s without the password: 12, and no host is touched', async (command) => {
    const target = command === 'backup' ? ['-t', directory] : [];
    const ended = await run([command, '-b', build, ...target]);
    expect(ended).toMatchObject({
      status: 12,
      stderr: expect.stringMatching(
        /group_vars\/\S+:1: .*no vault password was given \[VAULT_PASSWORD\]\n.*--vault-id/,
      ),
    });
  });

  it('takes the password from a file, an id or the environment', async () => {
    const listed = { status: 0, stderr: '', stdout: expect.stringContaining('db, web') };
    expect(await inventory('--vault-password-file', passwordFile)).toMatchObject(listed);
    expect(await inventory('--vault-id', `prod@${passwordFile}`)).toMatchObject(listed);
    const named = ['inventory', '-b', build];
    expect(await run(named, { ANSIBLE_VAULT_PASSWORD_FILE: passwordFile })).toMatchObject(listed);
    expect(await run(named, { ANSIBLE_VAULT_IDENTITY_LIST: `x@${passwordFile} , ~/password` })).toMatchObject(listed);
  });

  it('shows neither the password nor what is encrypted', async () => {
    const files = ['--vault-password-file', passwordFile];
    const shown = [
      await inventory(...files, '--json'),
      await inventory(...files),
      await run(['plan', '-b', build, ...files, '--log-level', 'trace', '--json', '--limit', 'nobody']),
    ].map(({ stdout, stderr }) => stdout + stderr);
    expect(shown[0]).toContain('"vault_y": "[secret]"');
    for (const text of shown) expect(text).not.toMatch(/hidden|correct horse/);
  });

  it('a wrong password: 12', async () => {
    await writeFile(join(directory, 'wrong'), 'staple');
    expect(await inventory('--vault-id', `a@${join(directory, 'wrong')}`, '--json')).toMatchObject({
      status: 12,
      stderr: expect.stringMatching(/wrong vault password \[VAULT_PASSWORD\]\n.*"a"/),
      stdout: expect.stringContaining('"code": "VAULT_PASSWORD"'),
    });
  });

  it('asks at the terminal, and does not show what is typed', async () => {
    const command = `'${process.execPath}' '${program}' inventory -b '${build}' --ask-vault-pass`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH, HOME: directory, TERM: 'xterm', SHELL: '/bin/sh' },
    });
    let shown = '';
    terminal.stdout.on('data', (text: Buffer) => {
      const asked = shown.includes('Vault password: ');
      shown += text.toString();
      if (!asked && shown.includes('Vault password: ')) terminal.stdin.write('correct house\b\b\brse\r');
    });
    expect(await collect(terminal)).toMatchObject({ status: 0 });
    expect(shown).toContain('db, web');
    expect(shown).not.toMatch(/correct|horse|\*/);
  });

  it('says so when there is no terminal to ask at', async () => {
    const child = spawn(process.execPath, [program, 'inventory', '-b', build, '--vault-id', 'prod@prompt'], {
      env: { PATH: process.env.PATH, HOME: directory },
      detached: true,
    });
    child.stdin.end();
    expect(await collect(child)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('Vault password (prod): there is no terminal to ask at [USAGE]'),
    });
  });
});
