import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { accepts, checkWhole } from '../testing/check-format.js';
import { tarFormat, type TarSummary } from './tar.js';

let directory = '';
const tar = (...arguments_: string[]): Buffer =>
  execFileSync('tar', ['--create', '--file=-', `--directory=${directory}`, ...arguments_, '.'], {
    maxBuffer: 1e8,
    env: { ...process.env, LC_ALL: 'C' },
  });

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tar-format-'));
  writeFileSync(join(directory, 'plain'), 'x'.repeat(700));
  writeFileSync(join(directory, 'empty'), '');
  writeFileSync(join(directory, `${'long'.repeat(50)} ünï`), 'y'.repeat(513));
  linkSync(join(directory, 'plain'), join(directory, 'hard'));
  symlinkSync('l'.repeat(300), join(directory, 'soft'));
  mkdirSync(join(directory, 'sub'));
  const sparse = openSync(join(directory, 'sub', 'sparse'), 'w');
  for (let index = 0; index < 30; index++) writeSync(sparse, 'data', index * 131_072);
  closeSync(sparse);
  truncateSync(join(directory, 'sub', 'sparse'), 5_000_000);
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe('tarFormat', () => {
  it.each([
    ['GNU format', ['--format=gnu']],
    ['PAX format', ['--format=posix']],
    ['old GNU sparse', ['--format=gnu', '--sparse']],
    ['PAX sparse 1.0', ['--format=posix', '--sparse']],
    ['PAX sparse 0.1', ['--format=posix', '--sparse', '--sparse-version=0.1']],
    ['PAX sparse 0.0', ['--format=posix', '--sparse', '--sparse-version=0.0']],
    ['a volume label', ['--label=here']],
    ['a global header', ['--format=posix', '--pax-option=globexthdr.name=/g,comment=all']],
    ['large records', ['--blocking-factor=64']],
  ])('accepts %s in any chunks and counts the entries', (_title, options) => {
    const content = tar(...options);
    const summaries: TarSummary[] = [];
    const format = tarFormat((summary) => summaries.push({ ...summary }));
    checkWhole(format, content);
    checkWhole(format, content, [1, 511, 513, 7, 4096, 100_000]);
    expect(summaries[0]?.entries).toBe(
      execFileSync('tar', ['--list', '--file=-'], { input: content }).toString().trimEnd().split('\n').length -
        (options[0]?.startsWith('--label') === true ? 1 : 0),
    );
    expect(summaries[1]).toEqual(summaries[0]);
  });

  it.each(['posix', 'ustar', 'gnu'])('tells the directories of a tar in the format %s, and nothing else', (format) => {
    const place = mkdtempSync(join(tmpdir(), 'tar-directories-'));
    const long = `${'a'.repeat(90)}/${'b'.repeat(90)}`;
    mkdirSync(join(place, 'with', long), { recursive: true });
    mkdirSync(Buffer.concat([Buffer.from(join(place, 'with/ü')), Buffer.from([0xff])]));
    writeFileSync(join(place, 'with', long, 'file'), '');
    symlinkSync('a', join(place, 'with', 'link'));
    const content = execFileSync('tar', [`--format=${format}`, '-cf-', `-C${place}`, 'with']);
    rmSync(place, { recursive: true });
    const names: string[] = [];
    checkWhole(
      tarFormat(undefined, (name) => names.push(name)),
      content,
    );
    const bytes = Buffer.from('with/ü').toString('latin1') + '\xff';
    const first = `with/${'a'.repeat(90)}`;
    // The old format keeps a long name in a header of its own, which is not looked at.
    const expected = ['with', bytes, first, ...(format === 'gnu' ? [] : [`with/${long}`])];
    expect(names.sort()).toEqual(expected.sort());
  });

  it('refuses every strict prefix that ends before the end mark', () => {
    const whole = tar('--format=posix', '--sparse');
    let end = whole.length;
    while (whole[end - 1] === 0) end--;
    const complete = Math.ceil(end / 512) * 512 + 1024;
    expect(accepts(tarFormat(), whole.subarray(0, complete))).toBe(true);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: complete - 1 }),
        (length) => !accepts(tarFormat(), whole.subarray(0, length)),
      ),
      { numRuns: 60, examples: [[0], [1], [512], [complete - 1], [complete - 512], [complete - 1024]] },
    );
  });

  it('does not depend on where chunks end', () => {
    const whole = tar('--format=gnu', '--sparse');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }), (lengths) =>
        accepts(tarFormat(), whole, lengths),
      ),
      { numRuns: 20 },
    );
  });

  it('refuses a wrong header, data after the end mark, a lone zero block, odd padding', () => {
    const whole = tar('--format=gnu');
    const changed = Buffer.from(whole);
    changed[3] = 0x7a;
    expect(accepts(tarFormat(), changed)).toBe(false);
    expect(accepts(tarFormat(), Buffer.concat([whole, Buffer.from('more')]))).toBe(false);
    expect(accepts(tarFormat(), Buffer.concat([whole, Buffer.alloc(100)]))).toBe(false);
    expect(accepts(tarFormat(), Buffer.concat([Buffer.alloc(512), whole]))).toBe(false);
    expect(accepts(tarFormat(), Buffer.from('a banner instead of a tar'))).toBe(false);
    expect(accepts(tarFormat(), Buffer.alloc(0))).toBe(false);
  });

  it('knows sizes of 8 GiB and more, in base-256 and in PAX', () => {
    const size = 9 * 1024 ** 3;
    for (const format of ['gnu', 'posix']) {
      truncateSync(join(directory, 'empty'), size);
      // Only the headers are read from tar; the data are zeros made here.
      const headers = execFileSync('sh', [
        '-c',
        `tar -c --format=${format} -C "$1" empty | head -c 4096`,
        'sh',
        directory,
      ]);
      truncateSync(join(directory, 'empty'), 0);
      const headerBytes = format === 'gnu' ? 512 : 1536;
      const check = tarFormat().check();
      check.write(headers.subarray(0, headerBytes));
      const zeros = new Uint8Array(64 * 1024 * 1024);
      for (let sent = 0; sent < size; sent += zeros.length) check.write(zeros);
      check.write(new Uint8Array(1024));
      check.end();
    }
  });
});
