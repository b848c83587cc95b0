import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../model/logger.js';
import { FakeHost, runHere } from '../../testing/fake-host.js';
import type { StepContext } from '../restore.js';
import { stageServer } from './physical-stage.js';
import { swapDirectories } from './physical-steps.js';
import { baseTar } from './physical.test-support.js';
import { server } from './postgresql.test-support.js';

// The scripts themselves, on directories of this machine.

let parent: string;
let data: string;
let directory: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'lsbackup-physical-'));
  data = join(parent, 'main');
  directory = join(parent, '.lsbackup-x-main');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

function make(path: string, text: string): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'PG_VERSION'), text);
}

function context(): StepContext {
  const host = new FakeHost({
    name: 'db1',
    rules: [
      { argv: /^sh -c state=stopped/, answer: { stdout: 'stopped\nloaded\n' } },
      { argv: /pg_verifybackup/, answer: {} },
      { argv: /^sh /, answer: runHere },
    ],
  });
  // The tar is no text.
  host.write = async (command, input) => {
    const [program = '', ...rest] = command.argv;
    const { status, stderr } = spawnSync(program, rest, { input: await buffer(input), cwd: '/' });
    if (status !== 0) throw new Error(stderr.toString());
  };
  return {
    runId: 'run-1',
    remote: () => Promise.resolve(host),
    read: () => Promise.resolve(Readable.from([baseTar])),
    warn: () => undefined,
    signal: new AbortController().signal,
    log: silentLogger,
  };
}

const place = () => ({
  ...{ ...server, user: userInfo().username, dataDirectory: data },
  unit: 'postgresql@15-main.service',
});
const there = (path: string): string => readFileSync(join(path, 'PG_VERSION'), 'utf8');

describe('the swap of data directories', () => {
  it('goes on from wherever it was left, and back', async () => {
    make(data, 'old');
    make(join(directory, 'new'), 'new');
    const [given, at] = [{ place: place(), directory }, context()];
    const undo = await swapDirectories.prepare(at, given);
    const probe = () => swapDirectories.probe(at, given, undo);
    expect(await probe()).toBe('not done');
    for (let round = 0; round < 2; round += 1) await swapDirectories.apply(at, given, undo);
    expect([await probe(), there(data), there(join(directory, 'old'))]).toEqual(['done', 'new', 'old']);
    for (let round = 0; round < 2; round += 1) await swapDirectories.revert!(at, given, undo);
    expect([await probe(), there(data), there(join(directory, 'new'))]).toEqual(['not done', 'old', 'new']);
    // As it is between the two renames.
    renameSync(data, join(directory, 'old'));
    expect(await probe()).toBe('half');
    await swapDirectories.revert!(at, given, undo);
    expect([await probe(), there(data)]).toEqual(['not done', 'old']);
    renameSync(data, join(directory, 'old'));
    await swapDirectories.apply(at, given, undo);
    expect([await probe(), there(data)]).toEqual(['done', 'new']);
    await swapDirectories.old!.drop(at, given, undo);
    expect([readdirSync(parent), there(data)]).toEqual([['main'], 'new']);
  });

  it('takes the place of a directory that is gone', async () => {
    make(join(directory, 'new'), 'new');
    const [given, at] = [{ place: place(), directory }, context()];
    const undo = await swapDirectories.prepare(at, given);
    expect([undo.oldId, await swapDirectories.probe(at, given, undo)]).toEqual(['', 'not done']);
    expect(swapDirectories.old!.describe(given, undo)).toBeUndefined();
    await swapDirectories.apply(at, given, undo);
    expect([await swapDirectories.probe(at, given, undo), there(data)]).toEqual(['done', 'new']);
    await swapDirectories.revert!(at, given, undo);
    expect([await swapDirectories.probe(at, given, undo), existsSync(data)]).toEqual(['not done', false]);
  });

  it('moves nothing that came there since', async () => {
    make(data, 'old');
    make(join(directory, 'new'), 'new');
    const [given, at] = [{ place: place(), directory }, context()];
    const undo = await swapDirectories.prepare(at, given);
    renameSync(data, join(parent, 'elsewhere'));
    make(data, 'stranger');
    await expect(swapDirectories.apply(at, given, undo)).rejects.toThrow('is not what it was');
    expect([there(data), there(join(directory, 'new'))]).toEqual(['stranger', 'new']);
  });
});

describe('staging', () => {
  it('unpacks, keeps the configuration of the host, makes no standby of it, and goes without a trace', async () => {
    make(data, '15\n');
    mkdirSync(join(data, 'conf.d'));
    writeFileSync(join(data, 'conf.d/own.conf'), 'work_mem = 1MB');
    const at = context();
    const given = {
      ...{ place: place(), directory, artifact: 'base.tar', entries: 9, bytes: 1 },
      configuration: ['postgresql.conf', 'conf.d/own.conf'],
    };
    // Of an attempt that was killed.
    make(join(directory, 'new'), 'torn');
    writeFileSync(join(directory, 'new/standby.signal'), '');
    expect(await stageServer.probe(at, given, null)).toBe('half');
    await stageServer.apply(at, given, null);
    expect(await stageServer.probe(at, given, null)).toBe('done');
    expect(there(join(directory, 'new'))).toBe('15\n');
    expect(readFileSync(join(directory, 'new/conf.d/own.conf'), 'utf8')).toBe('work_mem = 1MB');
    expect(existsSync(join(directory, 'new/standby.signal'))).toBe(false);
    for (let round = 0; round < 2; round += 1) await stageServer.revert!(at, given, null);
    expect([await stageServer.probe(at, given, null), readdirSync(parent)]).toEqual(['not done', ['main']]);
  });
});
