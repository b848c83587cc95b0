import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { limitHosts, type LimitScope } from './limit.js';

// What each pattern chooses is compared with Ansible itself in test/inventory; here is what lsbackup adds.
const web = ['web3', 'web1', 'web2'];
const scope: LimitScope = {
  inventoryFile: '/build/inventory',
  hosts: ['web1', 'web2', 'web3', 'db1'].map((name) => ({ name })),
  groups: new Map([
    ['all', [...web, 'db1']],
    ['web', web],
    ['db', ['db1']],
    ['empty', []],
    ['tangled', ['db1', ...web]],
  ]),
  unorderedGroups: new Set(['tangled']),
};
const limited = (...limit: string[]): Promise<readonly string[]> => limitHosts(scope, limit);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-limit-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function listFile(text: string): Promise<string> {
  const file = join(directory, 'list');
  await writeFile(file, text);
  return `@${file}`;
}

describe('a limit', () => {
  it('keeps the order of the inventory; several texts are one list; none is every host', async () => {
    expect(await limited('db1', 'web')).toEqual(['web1', 'web2', 'web3', 'db1']);
    expect(await limited('web', '!web[0]')).toEqual(['web1', 'web2']);
    expect(await limited('!empty')).toEqual(['web1', 'web2', 'web3', 'db1']);
    expect(await limitHosts(scope, undefined)).toEqual(['web1', 'web2', 'web3', 'db1']);
  });

  it.each([
    ['web4', '--limit web4 matches no host and no group (/build/inventory)', 'Names that come near: web1, web2, web3.'],
    [
      'web1,!Web',
      '--limit !Web matches no host and no group (/build/inventory)',
      'Names that come near: web, web1, web2.',
    ],
    ['bd:&web', '--limit bd matches no host and no group (/build/inventory)', 'Hosts: web1, web2, web3, db1.'],
    ['web[7]', '--limit web[7] matches no host (/build/inventory)', undefined],
    ['web[12]', '--limit web[12] matches no host (/build/inventory)', undefined],
    [
      'we[12]',
      '--limit we[12] matches no host and no group; what is in brackets at its end counts the hosts of "we"',
      undefined,
    ],
    ['web[0-1]', '--limit web[0-1] has a subscript with "-": write [0:1] to count hosts', undefined],
    [
      'tangled[0]',
      '--limit tangled[0] counts the hosts of "tangled", which Ansible takes in no certain order',
      undefined,
    ],
    ['empty', '--limit empty matches no host (', undefined],
    ['web:!web', '--limit web:!web leaves no host (/build/inventory)', 'Hosts: web1, web2, web3, db1.'],
    ['', '--limit is empty, which would leave no host', expect.stringContaining('Leave --limit out')],
    [' , ', '--limit "" names nothing (', undefined],
    ['!', '--limit ! names nothing (', undefined],
    ['~(', '--limit ~( is no regular expression that can be used here: it is not well formed', undefined],
    ['web[', '--limit web[ has a bracket without its pair', undefined],
  ])('%j is refused: %s', async (limit, message, hint) => {
    const error: unknown = await limited(limit).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'USAGE', exitStatus: 2, message: expect.stringContaining(message) });
    if (hint !== undefined) expect(error).toMatchObject({ hint });
  });

  it('takes a pattern a line from @file, beside others; a line is one pattern', async () => {
    expect(await limited(await listFile('web1\n\n  db \r\n'))).toEqual(['web1', 'db1']);
    expect(await limited(`${await listFile('!web1\n')},web`)).toEqual(['web2', 'web3']);
    await expect(limited(await listFile('web1,web2\n'))).rejects.toMatchObject({ code: 'USAGE' });
    await expect(limited(await listFile('\n\n'))).rejects.toMatchObject({ code: 'USAGE' });
  });

  it.each([
    ['no/such/list', 'no such file or directory'],
    ['', 'cannot read the file'],
    ['/', 'it is no regular file'],
  ])('refuses @%s, which cannot be read', async (file, reason) => {
    await expect(limited(`@${file}`)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(reason) as unknown,
    });
  });

  it('whatever it is, chooses hosts or is refused', async () => {
    const unit = fc.constantFrom(...Array.from('web1,:!&[]*?-~()\\{}dbal0|^$. \n'));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit, maxLength: 12 }), async (limit) => {
        const hosts = await limited(limit).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'USAGE' });
          return ['refused'];
        });
        expect(hosts.length).toBeGreaterThan(0);
      }),
      { numRuns: 3000 },
    );
  });
});
