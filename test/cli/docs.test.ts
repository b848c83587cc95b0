import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { BackupError, type ErrorCode } from '@lsbackup/core';

const root = join(import.meta.dirname, '../..');

describe('docs/exit-codes.md', () => {
  it('names every code beside its status, and no other', async () => {
    const text = await readFile(join(root, 'docs/exit-codes.md'), 'utf8');
    const documented = text.split('\n').flatMap((line) => {
      const [, status, , codes = ''] = line.split('|').map((cell) => cell.trim());
      return [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => `${status ?? ''} ${code ?? ''}`);
    });
    const source = await readFile(join(root, 'packages/core/src/model/errors.ts'), 'utf8');
    const codes = [...source.matchAll(/^ {2}([A-Z_]+): exitStatuses\./gm)].map(([, code]) => code as ErrorCode);
    expect(codes.length).toBeGreaterThan(40);
    expect(documented.sort()).toEqual(codes.map((code) => `${new BackupError(code, '').exitStatus} ${code}`).sort());
  });
});
