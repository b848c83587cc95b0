import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { collect, type Ended, program } from './harness.js';

describe("Ansible's variables of the environment", () => {
  let directory: string;
  let build: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-environment-'));
    build = join(directory, 'build');
    await mkdir(build);
    await writeFile(join(build, 'inventory'), 'own\n');
    await writeFile(join(directory, 'prod'), 'inherited\n');
    await writeFile(join(directory, 'more'), 'second\n');
    await writeFile(join(directory, 'other.cfg'), '[defaults]\ninventory = more\n');
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const hostsOf = (environment: Readonly<Record<string, string>>, ...parameters: string[]): Promise<Ended> => {
    const env = { PATH: process.env.PATH, HOME: directory, ...environment };
    const child = spawn(process.execPath, [program, 'inventory', '--json', ...parameters], { env, cwd: directory });
    child.stdin.end();
    return collect(child);
  };
  const hosts = (environment: Readonly<Record<string, string>>, ...parameters: string[]): Promise<Ended> =>
    hostsOf(environment, '-b', build, ...parameters);

  it.each([
    ['prod', ['inherited']],
    ['prod, more', ['inherited', 'second']],
    ['~/prod', ['inherited']],
    ['${HOME}/more,{{CWD}}/prod', ['second', 'inherited']],
  ])('ANSIBLE_INVENTORY=%s', async (value, names) => {
    const { status, stdout, stderr } = await hosts({ ANSIBLE_INVENTORY: value });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ungrouped: { hosts: names } });
    expect(stderr).toContain(`as ANSIBLE_INVENTORY says, not of ${build}; unset it`);
  });

  it('an empty ANSIBLE_INVENTORY is refused where it counts', async () => {
    expect(await hosts({ ANSIBLE_INVENTORY: '' })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('ANSIBLE_INVENTORY has an empty path'),
    });
    const file = await hostsOf({ ANSIBLE_INVENTORY: '' }, '-b', join(build, 'inventory'));
    expect(file).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('own') });
    const given = await hosts({ ANSIBLE_INVENTORY: '' }, '-i', 'prod');
    expect(given).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('inherited') });
  });

  it('ANSIBLE_CONFIG is expanded, and the others are named without their values', async () => {
    for (const value of ['~/other.cfg', '$HOME/other.cfg', '${HOME}/other.cfg']) {
      const listed = { status: 0, stdout: expect.stringContaining('second') };
      expect(await hosts({ ANSIBLE_CONFIG: value })).toMatchObject(listed);
    }
    const { stderr } = await hosts({ ANSIBLE_BECOME_PASS: 'S3cret', ANSIBLE_REMOTE_USER: 'bob' });
    expect(stderr).toMatch(/are set: ANSIBLE_BECOME_PASS, ANSIBLE_REMOTE_USER; put/);
    expect(stderr).not.toMatch(/S3cret|bob/);
  });
});
