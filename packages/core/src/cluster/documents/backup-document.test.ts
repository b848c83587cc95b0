import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { readBackupDocument } from './backup-document.js';

let directory: string;
let file: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-document-'));
  file = join(directory, 'backup.yml');
});
afterAll(() => rm(directory, { recursive: true }));

async function read(text: string | Uint8Array): ReturnType<typeof readBackupDocument> {
  await writeFile(file, text);
  return readBackupDocument(file);
}

const head = 'kind: configuration/backup\ntitle: Backup Config\nname: default\nprovider: any\n';
/** With components from line 7 on. */
const withComponents = (text: string): string => `${head}specification:\n  components:\n${text}`;

describe('a backup document', () => {
  it('is what LambdaStack copies from its defaults', async () => {
    const text = withComponents(
      '    load_balancer:\n      enabled: true\n    logging:\n      enabled: false\n# A comment.\n    kubernetes:\n      enabled: no\n',
    );
    const { components, warnings } = await read(text);
    expect(warnings).toEqual([]);
    expect([...components]).toEqual([
      ['load_balancer', { line: 7, enabled: true, options: new Map() }],
      ['logging', { line: 9, enabled: false, options: new Map() }],
      ['kubernetes', { line: 12, enabled: false, options: new Map() }],
    ]);
  });

  it('may stand among the other documents of a cluster, which may have tags of their own', async () => {
    const before =
      'kind: epiphany-cluster\nspecification:\n  name: c\n  secret: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    33\n---\n';
    const { components } = await read(`---\n${before}${withComponents('    rabbitmq: { enabled: on }\n')}---\n`);
    expect(components.get('rabbitmq')).toMatchObject({ line: 15, enabled: true });
  });

  it('is found beside documents that are no YAML', async () => {
    const { components } = await read(
      `kind: a\nb: {\n--- # next\n${withComponents('    rabbitmq: { enabled: on }\n')}`,
    );
    expect(components.get('rabbitmq')).toMatchObject({ line: 10, enabled: true });
    const flow = '{kind: configuration/backup, specification: {components: {rabbitmq: {enabled: false}}}}';
    expect((await read(`# first\n\n---\r\n${flow}`)).components.get('rabbitmq')).toMatchObject({
      line: 4,
      enabled: false,
    });
  });

  it('has options, and what it does not say is undefined', async () => {
    const { components } = await read(
      withComponents(
        '    load_balancer:\n      paths: [/srv/a]\n      config_file: /b\n    rabbitmq:\n    postgresql: {}\n',
      ),
    );
    expect(components.get('load_balancer')).toEqual({
      line: 7,
      enabled: undefined,
      options: new Map<string, unknown>([
        ['paths', { value: ['/srv/a'], line: 8 }],
        ['config_file', { value: '/b', line: 9 }],
      ]),
    });
    expect(components.get('rabbitmq')).toEqual({ line: 10, enabled: undefined, options: new Map() });
    expect(components.get('postgresql')).toEqual({ line: 11, enabled: undefined, options: new Map() });
  });

  it('warns of keys that come twice, of which the last one counts, and of keys that mean nothing', async () => {
    const { components, warnings } = await read(
      `colour: red\n${withComponents('    rabbitmq:\n      enabled: true\n      enabled: false\n')}  shade: dark\n`,
    );
    expect(components.get('rabbitmq')?.enabled).toBe(false);
    expect(warnings).toEqual([
      `${file}:10: a key comes twice; the last one counts`,
      `${file} has keys that mean nothing to lsbackup: colour (line 1), specification.shade (line 11)`,
    ]);
  });

  it.each([
    ['an empty file', '', ':1: no document here has "kind: configuration/backup"'],
    ['a list', '- a\n', ':1: no document here has'],
    ['another kind', 'kind: configuration/recovery\nspecification: {}\n', ':1: no document here has'],
    ["lsbackup's own file", 'target: /backups\n', ':1: no document here has'],
    ['two of them', `${withComponents('    rabbitmq:\n')}---\n${withComponents('    rabbitmq:\n')}`, ':9: a second document of'],
    ['no specification', head, ':1: specification must be a mapping'],
    ['no components', `${head}specification:\n  provider: any\n`, ':5: specification.components must be a mapping'],
    ['a list of components', `${head}specification:\n  components: [a]\n`, ':6: specification.components must be a mapping'],
    ['a switch without its key', withComponents('    rabbitmq: true\n'), ':7: specification.components.rabbitmq must be a mapping'],
    ['a switch in quotes', withComponents('    rabbitmq:\n      enabled: "false"\n'), ':8: specification.components.rabbitmq.enabled must be true or false'],
    ['a switch that is empty', withComponents('    rabbitmq:\n      enabled:\n'), ':8: specification.components.rabbitmq.enabled must be true or false'],
    ['no YAML', `${head}specification: [\n`, ':6: the indentation does not fit the lines before'],
    ['no YAML without the kind', 'a: b\nc: [\n', ':3: the indentation'],
    ['a tab', `${head}specification:\n\tcomponents:\n`, ':6: a tab is used for indentation'],
    ['an alias of nothing', `${head}specification: *nothing\n`, ':1: an alias (*name) of this document has no anchor'],
  ])('refuses %s, with file and line', async (_title, text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      exitStatus: 2,
      message: expect.stringContaining(`${file}${message}`) as unknown,
    });
  }); // prettier-ignore

  it('refuses aliases that multiply', async () => {
    const levels = Array.from(
      { length: 9 },
      (_, index) => `a${index + 1}: &a${index + 1} [${'*a0,'.replace('0', String(index)).repeat(9)}]\n`,
    );
    const error: unknown = await read(`${head}a0: &a0 [x]\n${levels.join('')}`).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('nested too deep') as unknown,
    });
  });

  it.each([
    ['a file that is too large', Buffer.alloc(4 * 1024 * 1024 + 1, '#'), 'it is larger than 4 MiB'],
    ['a file that is no UTF-8', Buffer.from([0x6b, 0xff]), 'it is no UTF-8 text'],
  ])('refuses %s', async (_title, bytes, message) => {
    await expect(read(bytes)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `cannot read ${file}: ${message}`,
    });
  });

  it('refuses a file that is not there, and a directory', async () => {
    await expect(readBackupDocument('/no/such')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'cannot read /no/such: no such file or directory (ENOENT)',
    });
    await expect(readBackupDocument(directory)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('never shows what it cannot read', async () => {
    for (const broken of [
      'password: "S3cret\n',
      'password: S3cret: x\n',
      'password: *S3cret\n',
      'password: {S3cret\n',
      '%S3cret\n- a\n',
    ]) {
      const error: unknown = await read(`${head}${broken}`).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(inspect(error, { depth: 9 })).not.toContain('S3cret');
    }
  });

  it('whatever it is, is read or refused', async () => {
    const unit = fc.constantFrom(
      ...Array.from('abk:-{}[]&*!|>%@"\'#,? \n\t'),
      'kind',
      'specification',
      'components',
      '---\n',
      head,
      '    ',
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit, maxLength: 30 }), async (text) => {
        await read(withComponents(text)).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
        });
      }),
      { numRuns: 500 },
    );
  });
});
