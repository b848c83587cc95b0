import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { parseConfig, readConfig } from './config-file.js';

const parse = (text: string): unknown => parseConfig('lsbackup.yml', text);

function messageOf(text: string): string {
  try {
    parse(text);
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitStatus: 2 });
    return error instanceof Error ? error.message : '';
  }
  throw new Error('was accepted');
}

describe('lsbackup.yml', () => {
  it('takes every key', () => {
    const text = `
build_dir: ./build
target: /backups
name: production
only: [haproxy]
skip: [kafka]
limit: ['lb*']
limits: { memory_mib: 64, streams_per_host: 1, dials: 4, level: 6, clean_up_seconds: 30 }
components:
  haproxy: { paths: [/etc/haproxy] }
hosts:
  'lb*':
    haproxy: { config_file: /srv/haproxy.cfg }
`;
    expect(parse(text)).toMatchObject({
      name: 'production',
      hosts: { 'lb*': { haproxy: { config_file: '/srv/haproxy.cfg' } } },
    });
  });

  it('says nothing of its own about keys, which may be secret', () => {
    const warned: unknown[] = [];
    const emitWarning = process.emitWarning.bind(process);
    process.emitWarning = (warning: unknown) => warned.push(warning);
    try {
      expect(() => parse('? [S3cret]\n: b\n')).toThrow();
    } finally {
      process.emitWarning = emitWarning;
    }
    expect(warned).toEqual([]);
  });

  it('may be empty', () => {
    expect(parse('')).toEqual({});
    expect(parse('# nothing yet\n')).toEqual({});
  });

  it.each([
    ['an unknown key', 'target: /x\ntagret: /y\n', 'lsbackup.yml:2: unknown key "tagret"'],
    ['an unknown key further down', 'limits:\n  level: 5\n  levle: 6\n', 'lsbackup.yml:3: unknown key "limits.levle"'],
    ['a wrong type', 'name: a\nonly: haproxy\n', 'lsbackup.yml:2: only: must be a list'],
    ['a wrong value in a list', 'only:\n  - haproxy\n  - 7\n', 'lsbackup.yml:3: only.1: '],
    ['a value out of range', '\nlimits:\n  level: 12\n', 'lsbackup.yml:3: limits.level: '],
    ['no YAML', 'target: [\n', 'lsbackup.yml:2: '],
    ['a key that comes twice', 'name: a\nname: b\n', 'lsbackup.yml:2: a key comes twice'],
    ['a second document', 'name: a\n---\nname: b\n', 'lsbackup.yml:2: a second document begins'],
    [
      'an alias of nothing',
      'target: &t /x\nname: *t\nonly: [*nothing]\n',
      'lsbackup.yml:3: an alias (*name) has no anchor',
    ],
    ['a list as a key', '? [a]\n: b\n', 'lsbackup.yml:1: unknown key'],
    ['a list', '- a\n', 'lsbackup.yml:1: '],
  ])('refuses %s with file and line', (_title, text, expected) => {
    expect(messageOf(text).slice(0, expected.length)).toBe(expected);
  });

  it.each(['password: "S3cret', 'password: S3cret: x', 'password: {S3cret', 'password: *S3cret'])(
    'never shows what it cannot read, in no cause either: %s',
    (text) => {
      let refusal: unknown;
      try {
        parse(`${text}\n`);
      } catch (error) {
        refusal = error;
      }
      expect(refusal).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(inspect(refusal, { depth: 9 })).not.toContain('S3cret');
    },
  );

  it('paths in it are relative to it; URLs are left alone', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lsbackup-config-'));
    const file = join(directory, 'lsbackup.yml');
    await writeFile(file, 'build_dir: build\ninventory: [a, ../b]\ntarget: ../backups\n');
    expect(await readConfig(file)).toEqual({
      build_dir: join(directory, 'build'),
      inventory: [join(directory, 'a'), join(directory, '../b')],
      target: join(directory, '../backups'),
    });
    await writeFile(file, "limit: ['@lists/web', 'lb1']\n");
    expect(await readConfig(file)).toEqual({ limit: [`@${join(directory, 'lists/web')}`, 'lb1'] });
    await writeFile(file, 'target: s3://bucket/prefix\n');
    expect(await readConfig(file)).toEqual({ target: 's3://bucket/prefix' });
    await rm(directory, { recursive: true });
  });

  it('a missing file is CONFIG_INVALID', async () => {
    await expect(readConfig('/no/such/lsbackup.yml')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
