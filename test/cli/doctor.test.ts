import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { type Place, makePlace, runCli, startCli, until } from './harness.js';
import { errorDocument } from './json-lines.js';

/** As docs/json.md has it. */
const diagnosisSchema = z.strictObject({
  cluster: z.string(),
  status: z.enum(['ok', 'warning', 'failed']),
  checks: z.array(
    z.strictObject({
      subject: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('controller') }),
        z.strictObject({ kind: z.literal('host'), host: z.string() }),
        z.strictObject({ kind: z.literal('target'), target: z.string() }),
        z.strictObject({
          kind: z.literal('component'),
          component: z.string(),
          unit: z.string(),
          hosts: z.array(z.string()),
        }),
      ]),
      check: z.string(),
      status: z.enum(['ok', 'warning', 'failed', 'skipped']),
      detail: z.string().min(1),
      remedy: z.string().optional(),
      code: z.string().optional(),
    }),
  ),
});

let place: Place;
beforeAll(async () => {
  place = await makePlace({ hosts: ['lb1', 'lb2', 'lb3'] });
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

async function diagnose(...parameters: readonly string[]) {
  const { status, stdout, stderr } = await runCli('doctor', '-b', place.cluster.directory, '--json', ...parameters);
  const { checks } = diagnosisSchema.parse(JSON.parse(stdout));
  return { status, stderr, checks };
}

describe('doctor', () => {
  it('ends with 0 where nothing would fail a backup, and leaves nothing at the target', async () => {
    const { status, stderr, checks } = await diagnose('-t', place.target);
    expect(checks.filter((check) => check.status === 'failed')).toEqual([]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(checks.flatMap(({ subject, check }) => (subject.kind === 'target' ? [check] : []))).toEqual([
      'exists',
      'write',
      'publish',
      'read',
      'list',
      'remove',
      'space',
    ]);
    expect(await place.targetFiles()).toEqual([]);
  });

  it('asks only the hosts that --limit names, and needs no target', async () => {
    const { checks } = await diagnose('--limit', 'lb2');
    const hosts = new Set(checks.flatMap(({ subject }) => (subject.kind === 'host' ? [subject.host] : [])));
    expect([...hosts]).toEqual(['lb2']);
    expect(checks.some(({ subject }) => subject.kind === 'target')).toBe(false);
  });

  it('prints a table for people', async () => {
    const { status, stdout } = await runCli('doctor', '-b', place.cluster.directory, '-t', place.target);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^SUBJECT +STATUS +FOUND$/m);
    for (const name of ['this machine', 'host lb1', 'host lb3', 'haproxy/lb2'])
      expect(stdout).toMatch(new RegExp(`^${name} +(?:ok|warning) `, 'm'));
    expect(stdout).toContain('Nothing would fail a backup.');
  });

  it('ends with 13 for a host that is down, looks at the others, and says what to do', async () => {
    const broken = await makePlace({ hosts: ['lb1', 'lb2'] });
    try {
      await broken.cluster.hosts[0]?.server.close();
      const { status, stdout, stderr } = await runCli('doctor', '-b', broken.cluster.directory, '-t', broken.target);
      expect({ status, stderr }).toEqual({ status: 13, stderr: '' });
      expect(stdout).toMatch(/^host lb1 +FAILED +reach: cannot connect/m);
      expect(stdout).toMatch(/^haproxy\/lb1 +skipped/m);
      expect(stdout).toMatch(/^haproxy\/lb2 +ok/m);
      expect(stdout).toMatch(/1 thing would fail a backup:\n {2}host lb1, reach: .*\[HOST_UNREACHABLE\]\n {4}-> Check/);
    } finally {
      await broken[Symbol.asyncDispose]();
    }
  });

  it('ends with 13 for a target that is not there, which is no reason not to look at the hosts', async () => {
    const { status, checks } = await diagnose('-t', join(place.directory, 'no such'), '--only', 'haproxy@lb1');
    expect(status).toBe(13);
    expect(checks.find((check) => check.status === 'failed')).toMatchObject({
      check: 'exists',
      code: 'TARGET_MISSING',
      remedy: expect.stringContaining('mount'),
    });
    expect(checks.filter(({ subject }) => subject.kind === 'component')).toMatchObject([
      { subject: { unit: 'lb2' }, status: 'skipped' },
      { subject: { unit: 'lb3' }, status: 'skipped' },
      { subject: { unit: 'lb1' }, status: 'ok' },
    ]);
  });

  it.each<[string, string[], string]>([
    ['a store that is not known', ['-t', 's3://bucket'], 'TARGET_UNSUPPORTED'],
    ['a component that is not known', ['--only', 'nothing'], 'COMPONENT_UNKNOWN'],
    ['a limit that fits no host', ['--limit', 'nobody'], 'USAGE'],
  ])('refuses %s with 2, before a host is called', async (_title, parameters, code) => {
    const connections = (): number => place.cluster.hosts.reduce((sum, { server }) => sum + server.connections, 0);
    const before = connections();
    const ended = await runCli('doctor', '-b', place.cluster.directory, '--json', ...parameters);
    expect(ended.status).toBe(2);
    expect(errorDocument.parse(JSON.parse(ended.stdout)).error.code).toBe(code);
    expect(connections()).toBe(before);
  });

  it('refuses an inventory that cannot be read with 2', async () => {
    const file = join(place.directory, 'broken');
    await writeFile(file, '[haproxy\n');
    expect(await runCli('doctor', '-b', file)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('[INVENTORY_SYNTAX]'),
    });
    expect(await runCli('doctor')).toMatchObject({ status: 2, stderr: expect.stringContaining('no build directory') });
  });

  it('ends at a signal with its status, and leaves nothing at the target', async () => {
    let stalled = false;
    const stalling = await makePlace({
      hosts: ['lb1'],
      faults: (_host, command) => {
        if (!command.includes('%s.%N')) return undefined;
        stalled = true;
        return { stallAfter: 1 };
      },
    });
    try {
      const { child, ended } = startCli(['doctor', '-b', stalling.cluster.directory, '-t', stalling.target]);
      await until('a command stalls', () => stalled);
      child.kill('SIGINT');
      expect(await ended).toMatchObject({ status: 130, stderr: expect.stringContaining('stopped by SIGINT') });
      expect(await stalling.targetFiles()).toEqual([]);
    } finally {
      await stalling[Symbol.asyncDispose]();
    }
  });

  it('shows no control characters of an inventory', async () => {
    const inventory = join(place.cluster.directory, 'inventory');
    const text = await readFile(inventory, 'utf8');
    await writeFile(inventory, text.replace('ansible_user=sample', 'ansible_user="sam\u001b[2Jple"'));
    try {
      const { stdout } = await runCli('doctor', '-b', place.cluster.directory);
      expect(stdout).toContain('sam?[2Jple@');
      expect(stdout).not.toContain('\u001b');
    } finally {
      await writeFile(inventory, text);
    }
  });
});
