import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runHere } from '../../testing/fake-host.js';
import { blocksBaseline, linkBlocksCommand, removeCommand } from './blocks.js';

import { oldBlock, newBlock, data, useDataDirectory } from './prometheus.test-support.js';

useDataDirectory();

describe('linking blocks', () => {
  const link = () => runHere(linkBlocksCommand(data, join(data, 'snapshots', 'x')), '');

  it('shares the files and leaves everything else out', () => {
    expect(link()).toMatchObject({ status: 0 });
    expect(readdirSync(join(data, 'snapshots', 'x')).sort()).toEqual([oldBlock, newBlock]);
    expect(statSync(join(data, 'snapshots', 'x', oldBlock, 'meta.json')).ino).toBe(
      statSync(join(data, oldBlock, 'meta.json')).ino,
    );
  });

  it('keeps a snapshots directory that was there', () => {
    mkdirSync(join(data, 'snapshots'));
    const { stdout } = link();
    expect(String(stdout)).toBe('');
    runHere(removeCommand(join(data, 'snapshots', 'x'), undefined), '');
    expect(readdirSync(join(data, 'snapshots'))).toEqual([]);
  });

  it('fails when the data directory is not there', () => {
    expect(runHere(linkBlocksCommand(join(data, 'none'), join(data, 'x')), '').status).not.toBe(0);
  });
});

describe('blocksBaseline', () => {
  it('has no times without blocks', () => {
    expect(blocksBaseline([])).toEqual({ blockCount: 0, samples: 0, minTime: null, maxTime: null, blocks: [] });
  });
});
