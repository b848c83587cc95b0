import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { InventoryGraph } from './inventory-graph.js';
import { readScriptInventory } from './script-inventory.js';
import type { ScriptOptions } from './script-inventory.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-script-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function script(...lines: string[]): Promise<string> {
  const file = join(directory, 'hosts.sh');
  await writeFile(file, ['#!/bin/sh', ...lines, ''].join('\n'));
  await chmod(file, 0o755);
  return file;
}

async function read(file: string, limits?: ScriptOptions) {
  const graph = new InventoryGraph();
  const outputs = await readScriptInventory(file, graph, limits);
  return { ...graph.resolve(), outputs: outputs.map(String) };
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

// That groups and variables are those of Ansible is shown by test/inventory.
describe('readScriptInventory', () => {
  it('asks for each host when there is no _meta, and gives all that was printed', async () => {
    const file = await script(
      'case $1 in --list) echo \'{"g": ["a", "b"]}\';; *) echo "{\\"name\\": \\"$2\\"}";; esac',
    );
    const { hosts, outputs } = await read(file);
    expect(outputs).toEqual(['{"g": ["a", "b"]}\n', '{"name": "a"}\n', '{"name": "b"}\n']);
    expect(hosts.get('b')?.variables.get('name')).toEqual({ value: 'b', file: `${file} --list`, line: 1 });
  });

  it.each([
    [
      'exit status',
      ["echo 'first' >&2", "echo 'no credentials' >&2", 'exit 3'],
      'ended with exit status 3; its last line on standard error: no credentials',
    ],
    ['silence', ['exit 1'], 'ended with exit status 1; it said nothing on standard error'],
    ['a signal', ['kill -TERM $$'], 'ended with signal SIGTERM'],
    ['no JSON', ['echo h1'], 'is not JSON'],
    ['nothing', ['exit 0'], 'is not JSON'],
    ['too much', ['yes | head -c 70000000'], 'printed more than 64 MiB'],
    [
      'no JSON for a host',
      ['[ $1 = --list ] && echo \'{"g": ["h"]}\' && exit', 'echo x'],
      '--host h` printed is not JSON',
    ],
    ['much on standard error', ['yes error | head -c 3000000 >&2', 'exit 2'], 'its last line on standard error: error'],
  ])('a script that gives %s is named, with INVENTORY_SCRIPT', async (_, lines, message) => {
    const file = await script(...lines);
    await expect(read(file)).rejects.toMatchObject({
      code: 'INVENTORY_SCRIPT',
      exitStatus: 2,
      message: expect.stringContaining(message),
    });
    await expect(read(file)).rejects.toMatchObject({ message: expect.stringContaining(file) });
  });

  it.each([
    ['[1]', 'what it printed is no mapping'],
    ['{"_meta": {}}', '"_meta" has no "hostvars"'],
    ['{"g": {"hosts": "h"}}', 'the hosts of group "g" are no list'],
    ['{"g": {"children": "h"}}', 'the children of group "g" are no list'],
    ['{"g": [1]}', 'a host of group "g" is no text'],
    ['{"": []}', 'a group has an empty name'],
    ['{"LONG": []}', 'a name is longer than 4096 characters'],
    ['{"g": ["LONG"]}', 'a name is longer than 4096 characters'],
    ['{"g": {"children": ["LONG"]}}', 'a name is longer than 4096 characters'],
  ])('%s is refused with the line of the output', async (printed, message) => {
    const file = await script(`echo '${printed.replace('LONG', 'x'.repeat(4_097))}'`);
    await expect(read(file)).rejects.toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: `${file} --list:1: ${message}`,
    });
  });

  it('cannot be started: INVENTORY_SCRIPT', async () => {
    const file = join(directory, 'hosts.sh');
    await writeFile(file, '#!/no/such/interpreter\n');
    await chmod(file, 0o755);
    await expect(read(file)).rejects.toMatchObject({
      code: 'INVENTORY_SCRIPT',
      message: expect.stringContaining('no such file'),
    });
  });

  it('has no standard input to wait for', async () => {
    const { outputs } = await read(await script('read answer', 'echo "{}"'));
    expect(outputs).toEqual(['{}\n']);
  });

  it('is killed at its deadline, with what it started', async () => {
    const file = await script('sleep 1000 &', `echo $! > ${directory}/child`, 'wait');
    await expect(read(file, { seconds: 2 })).rejects.toMatchObject({
      code: 'INVENTORY_SCRIPT',
      message: `the inventory script ${file} took more than 2 seconds`,
    });
    const child = Number(await readFile(join(directory, 'child'), 'utf8'));
    for (let tries = 0; isRunning(child) && tries < 500; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(isRunning(child)).toBe(false);
  });

  it('is killed when the caller gives up, whose reason goes on', async () => {
    const abort = new AbortController();
    const reason = new Error('given up');
    const file = await script(`touch ${directory}/started`, 'sleep 1000');
    const reading = read(file, { signal: abort.signal });
    setTimeout(() => {
      abort.abort(reason);
    }, 50);
    await expect(reading).rejects.toBe(reason);
  });
});
