import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { BackupError } from '../../model/errors.js';
import { parseAnsibleYaml, valueOf } from './ansible-yaml.js';
import { ForeignValue, VaultValue } from './inventory.js';
import type { InventoryValue } from './inventory.js';
import { PythonFloat } from '../python/python-number.js';

const file = '/build/hosts.yml';
const valueIn = (text: string): unknown => {
  const { node } = parseAnsibleYaml(text, file);
  return node === undefined ? undefined : valueOf(node);
};

function faultOf(text: string): BackupError {
  try {
    parseAnsibleYaml(text, file);
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
  throw new Error('no fault was found');
}

// That values are those of Ansible is shown by test/inventory; here are places and words of the faults, and what must never happen.
describe('parseAnsibleYaml', () => {
  it.each([
    ['a: 1\n\tb: 2\n', 2, 'a tab'],
    ['a:\n  - x\n c: d\n', 3, 'indentation'],
    ['a: b: c\n', 1, 'quotes'],
    ['a: {{ b }}\n', 1, 'neither text nor a number'],
    ['a:\n  b\n  c: 1\n', 3, 'no key can be'],
    ['a: 1\nb\nc: 2\n', 2, 'this is no key'],
    ['a: "b\n\nc: d\n', 1, 'a quote (") is not closed'],
    ['a: [1,\n2\n', 3, 'expected "," or "]"'],
    ['a: %x\n', 1, 'a value begins with a sign'],
    ['a: 1\n---\nb: 2\n', 2, 'a second document'],
    ['a: *x\n', 1, 'has no anchor before it'],
    ['a: &x 1\nb: &x 2\n', 2, 'second anchor'],
    ['a: &x\n  b: *x\n', 2, 'stands for what it is in itself'],
    ['a: !secret x\n', 1, 'a tag is not known: put quotes around'],
    ['a: !Vault x\n', 1, 'a tag is not known: !vault is written so'],
    ['a: !!unsafe x\n', 1, 'a tag is not known: !unsafe is written so'],
    ['a:\n  b: !vault 12\n', 2, '!vault is not text'],
    ['a: !!int x\n', 1, 'does not fit its type, which is int'],
    ['<<: 5\n', 1, '"<<"'],
    ['a: "\\q"\n', 1, 'no known escape'],
    ['a: |0\n', 1, 'a block scalar begins'],
    ['a: |\n\tx\n', 2, 'a tab'],
    ['%TAG ! x\n---\na: 1\n', 1, 'is a directive'],
    ['a: \x01\n', 1, 'control character'],
    ['a: 1\nb: \ud800\n', 2, 'not Unicode'],
    ['a: {2001-01-01: b}\n', 1, 'a key is neither text nor a number'],
    [`a:\n${'- '.repeat(250)}x\n`, 2, 'more than 200'],
    [`a: ${'['.repeat(250)}\n`, 1, 'more than 200'],
    ['{"a": 1,}\n}', 2, 'value of the file'],
  ])('%j is refused at line %i: %s', (text, line, message) => {
    const fault = faultOf(text);
    expect(fault).toMatchObject({ code: 'INVENTORY_SYNTAX', exitStatus: 2 });
    expect(fault.message).toMatch(new RegExp(`^${file}:${line}: `));
    expect(fault.message).toContain(message);
  });

  it.each([
    'p: "hunter2\n',
    'p: hunter2: x\n',
    'p: !!int hunter2\n',
    'hunter2\nx: 1\n',
    '{p: hunter2',
    'p: {hunter2',
    'p: !hunter2\n',
    'p: *hunter2\n',
    'p: !!hunter2\n',
    'p: !!hunter2 [x]\n',
    'p: !hunter2!x\n',
    'p: &hunter2 1\nq: &hunter2 2\n',
    'p: &hunter2 [*hunter2]\n',
  ])('does not quote what may be a password: %j', (text) => {
    const fault = faultOf(text);
    expect(`${fault.message} ${fault.hint ?? ''}`).not.toContain('hunter2');
  });

  it('!!omap is not supported', () => {
    expect(faultOf('a: !!omap [{b: c}]\n')).toMatchObject({ code: 'INVENTORY_UNSUPPORTED' });
  });

  it('keeps the base64 of bytes, whose padding must be right', () => {
    const binary = (text: string): string => `a: !!binary "${text}"\n`;
    expect(valueIn('a: !!binary |\n  YWJj\n  ZA==\n')).toEqual({ a: new ForeignValue('bytes', 'YWJjZA==') });
    for (const text of ['', '%%', '=', 'YQ==', 'YQ==x', 'Y Q==', '=YQ==', 'YQ=a=', 'YQ==='])
      expect(valueIn(binary(text))).toMatchObject({ a: { kind: 'bytes' } });
    for (const text of ['Y', 'YQ', 'YQ=', 'YWI', 'é'])
      expect(faultOf(binary(text)).message).toMatch(/:1: a value does not fit its type, which is binary$/);
  });

  it.each<[string, InventoryValue]>([
    ['1.0', new PythonFloat(1)],
    ['1.0e+5', new PythonFloat(100_000)],
    ['1e5', '1e5'],
    ['1:30.0', new PythonFloat(90)],
    ['-.inf', new PythonFloat(-Infinity)],
    ['.nan', new PythonFloat(Number.NaN)],
    ['2001-01-01 10:00:00', new ForeignValue('time', '2001-01-01T10:00:00')],
  ])('%s is %p', (text, value) => {
    expect(valueIn(`a: ${text}\n`)).toEqual({ a: value });
  });

  it('tells floats from integers in JSON too', () => {
    const floats = [1, 1e5, Infinity, Number.NaN].map((value) => new PythonFloat(value));
    expect(valueIn('[1, 1.0, 1e5, Infinity, NaN]')).toEqual([1, ...floats]);
  });

  it('warns of keys that are there twice, and takes the last', () => {
    const { node, warnings } = parseAnsibleYaml('a: 1\nb: {c: 1, "c": 2}\n\na: 3\n1: x\ntrue: y\n', file);
    expect(warnings).toEqual([
      `${file}:2: a key is there a second time (first in line 2); the last one counts`,
      `${file}:4: a key is there a second time (first in line 1); the last one counts`,
      `${file}:6: a key is there a second time (first in line 5); the last one counts`,
    ]);
    expect(node && valueOf(node)).toEqual({ a: 3, b: { c: 2 }, 1: 'y' });
  });

  it('does not warn of what a merge key brings in and the mapping overrides', () => {
    const { node, warnings } = parseAnsibleYaml('a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n', file);
    expect(warnings).toEqual([]);
    expect(node && valueOf(node)).toEqual({ a: { x: 1, y: 2 }, b: { x: 1, y: 3 } });
  });

  it.each([
    ['YAML', 'a:\n  b: 1\n  c:\n    - d\n    -\n      e\n'],
    ['JSON', '{"a":\n{"b": 1,\n"c":\n["d",\n\n"e"]}}\n'],
  ])('knows the lines of a %s file: of the key, or of the beginning of an item', (_, text) => {
    const { node } = parseAnsibleYaml(text, file);
    expect(node).toMatchObject({ line: 1, entries: new Map([['a', expect.objectContaining({ line: 1 })]]) });
    const inner = node?.kind === 'map' ? node.entries.get('a') : undefined;
    const list = inner?.kind === 'map' ? inner.entries.get('c') : undefined;
    expect(list).toMatchObject({ line: 3 });
    expect(list?.kind === 'list' ? list.items.map(({ line }) => line) : []).toEqual([4, 6]);
  });

  it('keeps vault values encrypted, with their text as it is', () => {
    expect(valueIn('a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n')).toEqual({
      a: new VaultValue('$ANSIBLE_VAULT;1.1;AES256\n6162\n'),
    });
    expect(valueIn('{"a": {"__ansible_vault": "x"}}')).toEqual({ a: new VaultValue('x') });
  });

  it('tells keys that are not text from those that are', () => {
    const { node } = parseAnsibleYaml('1: a\n"2": b\nno: c\nd: e\n', file);
    expect(node?.kind === 'map' ? [...node.otherKeys] : []).toEqual(['1', 'false']);
  });

  it.each(['', '# note\n', '---\n', '---\n...\n', '~\n'])('%j is empty, or nothing', (text) => {
    expect(valueIn(text) ?? null).toBeNull();
  });

  it('is not misled by names that mean something to JavaScript', () => {
    expect(Object.entries(valueIn('__proto__: 1\nconstructor: 2\n') as object)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });
});

describe('parseAnsibleYaml, against files that are made to do harm', () => {
  const levels = Array.from({ length: 30 }, (_, level) => level);

  it('refuses aliases that multiply', () => {
    const text = levels.map(
      (level) => `a${level}: &a${level} [${level === 0 ? 'x' : `*a${level - 1}, *a${level - 1}`}]\n`,
    );
    expect(faultOf(text.join('')).message).toContain('aliases stand for more than');
  });

  it('refuses merges that multiply', () => {
    const text = levels.map((level) => {
      const merged = level === 0 ? '' : `<<: [*a${level - 1}, *a${level - 1}], `;
      return `a${level}: &a${level} {${merged}k${level}: 1}\n`;
    });
    expect(faultOf(text.join('')).message).toMatch(/aliases stand for|brings in/);
  });

  it.each([
    ['open lists', '['.repeat(500_000)],
    ['open JSON', '{"a":'.repeat(200_000)],
    ['dashes', '- '.repeat(300_000)],
    ['one long word', 'x'.repeat(2_000_000)],
    ['one long number', `a: ${'1'.repeat(100_000)}`],
    ['one long quoted text', `a: "${'\\n'.repeat(500_000)}"`],
    ['empty lines', `a: |\n${'\n'.repeat(500_000)}`],
    ['folded lines', `a: ${'x\n '.repeat(300_000)}`],
    ['spaces', `a: b${' '.repeat(2_000_000)}#`],
    ['colons', ':'.repeat(500_000)],
    ['digits that are nearly a date', `a: ${'2001-'.repeat(100_000)}`],
    ['digits that are nearly base 60', `a: ${'1:'.repeat(100_000)}x`],
    ['question marks', '? '.repeat(300_000)],
  ])('ends soon: %s', (_, text) => {
    try {
      parseAnsibleYaml(text, file);
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
    }
  });

  const words =
    '\n|\n|\n  |\n- | |\t|:|: |- |? |,|[|]|{|}|#| #|&a |*a|!|!!str |!!set |!unsafe |!vault |"|\'|>|\\|%|@|---|...|<<: |a|b: |1|0x|~|yes|2001-01-01|\r|\u0085|\u2028|\ufeff|é|😀|\ud800|{"a":|null|1e5';
  const word = fc.constantFrom('|', ...words.split('|'));

  it('gives a value or a BackupError for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(word, { maxLength: 40 }).map((all) => all.join('')),
          fc.string(),
        ),
        (text) => {
          try {
            valueIn(text);
          } catch (error) {
            if (!(error instanceof BackupError)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('reads back whatever JSON says', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 2), (value, indent) => {
        // Integers that a number cannot hold are bigints, and not all text is Unicode.
        fc.pre(!/[\ud800-\udfff]|__ansible|\d{16}|e\+/.test(JSON.stringify(value)));
        expect(JSON.stringify(valueIn(JSON.stringify(value, null, indent)), withNumbers)).toBe(JSON.stringify(value));
      }),
    );
  });
});

function withNumbers(_: string, value: unknown): unknown {
  return value instanceof PythonFloat ? value.value : value;
}
