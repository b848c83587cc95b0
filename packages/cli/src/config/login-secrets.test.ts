import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@lsbackup/core';
import { type LoginFlags, readLoginSecrets } from './login-secrets.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-login-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function put(name: string, content: string, mode = 0o600): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, content);
  await chmod(file, mode);
  return file;
}

/** The passwords, with what was asked; the person answers with `answers`. */
async function read(flags: LoginFlags, ...answers: readonly string[]) {
  const asked: string[] = [];
  const { password, becomePassword } = await readLoginSecrets(flags, {
    homeDirectory: directory,
    signal: new AbortController().signal,
    prompt: (question, _signal, otherwise) => {
      const answer = answers[asked.push(question) - 1] ?? '';
      return Promise.resolve(answer === '' && otherwise ? otherwise : new Secret(answer));
    },
  });
  return [password?.reveal(), becomePassword?.reveal(), ...asked];
}

describe('readLoginSecrets', () => {
  it('asks for what is to be asked for, once each', async () => {
    expect(await read({})).toEqual([undefined, undefined]);
    expect(await read({ 'ask-pass': true }, 'a')).toEqual(['a', undefined, 'SSH password']);
    expect(await read({ 'ask-become-pass': true }, 'b')).toEqual([undefined, 'b', 'BECOME password']);
    const both = { 'ask-pass': true, 'ask-become-pass': true };
    const questions = ['SSH password', 'BECOME password (empty: the SSH password)'];
    expect(await read(both, 'a', 'b')).toEqual(['a', 'b', ...questions]);
    expect(await read(both, 'a', '')).toEqual(['a', 'a', ...questions]);
  });

  it('reads files, and what programs print', async () => {
    const file = await put('password', ' a b \n');
    const program = await put('program', "#!/bin/sh\nprintf ' c \\n'\n", 0o700);
    const files = { 'connection-password-file': file, 'become-password-file': program };
    expect(await read(files)).toEqual(['a b', ' c ']);
    expect(await read({ 'connection-password-file': '~/password' })).toEqual(['a b', undefined]);
  });

  it.each([
    ['connection-password-file', 'SSH password'],
    ['become-password-file', 'BECOME password'],
  ])('says which file it cannot use: --%s', async (flag, holds) => {
    await expect(read({ [flag]: '/nothing/there' })).rejects.toMatchObject({
      code: 'USAGE',
      message: `cannot read the ${holds} file /nothing/there: no such file or directory`,
    });
    await expect(read({ [flag]: await put('empty', '\n') })).rejects.toThrow(
      `the ${holds} of ${join(directory, 'empty')} is empty`,
    );
  });
});
