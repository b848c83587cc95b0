import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { BackupError } from '../../model/errors.js';
import { parseIniInventory } from './ini-inventory.js';
import { splitLines } from '../python/python-text.js';

const parse = (text: string) => parseIniInventory(splitLines(text), '/build/inventory');

function faultOf(text: string): BackupError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
  throw new Error('no fault was found');
}

// That the grammar is Ansible's is shown by test/inventory; here are places and words of the faults, and what must never happen.
describe('parseIniInventory', () => {
  it.each([
    ['[web]\nh\n\n[web:options]\n', 4, 'a section has an unknown type'],
    ['# note\n[ web ]\n', 2, 'this is no section'],
    ['[web]\nh x="abc\n', 2, 'a quote (") is not closed'],
    ['[web]\nh x=1 secret\n', 2, 'word 3 is not name=value'],
    ['[web]\nh\n[web:vars]\n\nsecret\n', 5, 'expected name=value in a section [group:vars]'],
    ['[a:children]\nb\nc\n[c]\n', 2, 'no section declares what is named here: group "b"'],
    ['h\n[missing:vars]\nx=1\n', 2, 'no section declares what is named here: group "missing"'],
    ['[a:children]\nb\n[b:children]\nc\n[c:children]\na\n', 6, 'a > b > c > a'],
    ['[b]\n[x]\n[a:children]\nb\n[b:children]\nx\na\n', 7, 'a > b > a'],
    ['[a:children]\n\na\n', 3, 'cannot be a child of itself'],
    ['[f:children]\nall\n', 2, 'all > f > all'],
    ['[web]\nh[01:100]\n', 2, 'equal length'],
    ['[web]\nh\n[web:vars]\nx={{1}}\n', 4, 'a set as a key'],
    ['[web:vars]\nansible_group_priority=high\n[web]\n', 2, 'not an integer'],
    ['[web]\n"" x=1\n', 2, 'empty name'],
    ['\ufeff[web]\nh\n', 1, 'host range'],
  ])('%j is refused at line %i: %s', (text, line, message) => {
    const fault = faultOf(text);
    expect(fault).toMatchObject({ code: 'INVENTORY_SYNTAX', exitStatus: 2 });
    expect(fault.message).toMatch(new RegExp(`^/build/inventory:${line}: `));
    expect(fault.message.replace('b > a > b', 'a > b > a').replace('f > all > f', 'all > f > all')).toContain(message);
  });

  it.each([
    '[web]\nh x="hunter2\n',
    '[web]\nh hunter2 hunter2\n',
    '[web]\nh\n[web:vars]\nhunter2\n',
    '[web]\nh\n[web:vars]\n[hunter2 x]\n',
    '[web]\npassword=hunter2[1:a]\n',
    '[web:children]\npassword=hunter2\n',
    'h\n[all:vars]\np={{"hunter2"}}',
  ])('does not quote what may be a password: %j', (text) => {
    const fault = faultOf(text);
    expect(`${fault.message} ${fault.hint ?? ''}`).not.toContain('hunter2');
  });

  it('remembers the file and line that set a variable', () => {
    const { hosts } = parse('[web]\nh a=1\n[web:vars]\na=2\nb=3\n');
    expect(Object.fromEntries(hosts.get('h')?.variables ?? [])).toEqual({
      a: { value: 1, file: '/build/inventory', line: 2 },
      b: { value: 3, file: '/build/inventory', line: 5 },
    });
  });

  it('warns of a host that is named like a group, and of one that is left out', () => {
    expect(parse('[web]\nweb x=1\n').warnings).toEqual([expect.stringContaining('"web" is both a host and a group')]);
    const left = parse('free\n[web]\nh\n[top:children]\nungrouped\n');
    expect([...left.hosts.keys()]).toEqual(['h']);
    expect(left.warnings).toEqual([expect.stringContaining('host "free" is left out')]);
  });

  const long = 'é😀'.repeat(2_000_000);
  it.each([
    ['host', `[g]\n${long} a=1`],
    ['host with a port', `[g]\n${long}:22`],
    ['host with brackets', `[g]\n[${long}`],
    ['group', `\n[${long}]`],
    ['group of variables', `\n[${long}:vars]`],
    ['type of a section', `\n[g:${'x'.repeat(8_000_000)}]`],
    ['child', `[g:children]\n${long}`],
  ])('refuses the name of a %s that is megabytes long', (_, text) => {
    expect(faultOf(text)).toMatchObject({
      code: 'INVENTORY_SYNTAX',
      message: '/build/inventory:2: a name is longer than 4096 characters',
    });
  });

  it('takes names and values of any usual length', () => {
    const name = 'x'.repeat(4_096);
    const { hosts } = parse(`[${name}]\n${name} a=${'y'.repeat(1_000_000)} b="[${'z'.repeat(5_000)}"\n`);
    expect(hosts.get(name)).toMatchObject({ groups: [name] });
  });

  it('limits the depth of groups', () => {
    const chain = (depth: number): string =>
      Array.from({ length: depth - 1 }, (_, index) => `[g${index}:children]\ng${index + 1}\n`).join('') +
      `[g${depth - 1}]\nh\n`;
    expect(parse(chain(1_000)).hosts.get('h')?.groups).toHaveLength(1_000);
    expect(faultOf(chain(1_001)).message).toBe('/build/inventory:2000: groups are nested more than 1000 levels deep');
    const fault = faultOf(chain(5_000));
    expect(fault).toMatchObject({ code: 'INVENTORY_SYNTAX' });
  });

  it('limits the number of hosts', () => {
    expect(faultOf('[web]\na[1:60000]\nb[1:60000]\n').message).toMatch(/:3: there are more than 100000 hosts/);
  });

  it('gives an inventory or INVENTORY_SYNTAX for any text', () => {
    const pieces = [
      '\n',
      '\n',
      '[',
      ']',
      ':',
      'vars',
      'children',
      'a',
      'b',
      '=',
      "'",
      '"',
      '\\',
      '#',
      ' ',
      '1',
      '{',
      '}',
      'all',
      'ungrouped',
      '[a]\n',
      '[b:children]\n',
      '[a:vars]\n',
      '__proto__',
    ];
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...pieces), maxLength: 60 }),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          expect(parse(source).groups.has('all')).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(BackupError);
          expect(error).toMatchObject({ code: 'INVENTORY_SYNTAX' });
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['hosts', Array.from({ length: 20_000 }, (_, index) => `h${index} a=1 b='two'`)],
    ['groups', Array.from({ length: 20_000 }, (_, index) => `[g${index}]`)],
    [
      'a chain of groups',
      Array.from({ length: 10_000 }, (_, index) => `[g${index}:children]\ng${index + 1}`).concat('[g10000]'),
    ],
    ['a long cycle', Array.from({ length: 10_000 }, (_, index) => `[g${index}:children]\ng${(index + 1) % 10_000}`)],
    ['brackets', ['['.repeat(500_000)]],
    ['spaces', [`h${' '.repeat(500_000)}x`]],
    ['a section that does not end', [`[${'a'.repeat(500_000)} `]],
    ['number signs', [`[g:children]`, '#a '.repeat(150_000).slice(1)]],
  ])('is fast with %s', (_, lines) => {
    const started = performance.now();
    try {
      parse(lines.join('\n'));
    } catch (error) {
      expect(error).toBeInstanceOf(BackupError);
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
