import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { BackupError } from '../../model/errors.js';
import { parseAnsibleYaml } from './ansible-yaml.js';
import { InventoryGraph } from './inventory-graph.js';
import { readYamlInventory } from './yaml-inventory.js';

const file = '/build/hosts.yml';

function read(text: string, encrypted = false) {
  const { node } = parseAnsibleYaml(text, file);
  if (node?.kind !== 'map') throw new Error('the text is no mapping');
  const graph = new InventoryGraph();
  const warnings = readYamlInventory(node, { file, encrypted }, graph);
  return { ...graph.resolve(), warnings };
}

function faultOf(text: string): BackupError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
  throw new Error('no fault was found');
}

describe('readYamlInventory', () => {
  it.each([
    ['g:\n  hosts:\n    - h\n', 2, '"hosts" of group "g" is no mapping'],
    ['g:\n  vars: 5\n', 2, '"vars" of group "g" is no mapping'],
    ['g:\n  hosts:\n\n    h: text\n', 4, 'the variables of host "h" are no mapping'],
    ['g:\n  hosts:\n    1: {}\n', 3, 'the name of a host must be text: put quotes around it'],
    ['g:\n  children:\n    yes: {}\n', 3, 'the name of a group must be text: put quotes around it'],
    ['g:\n  children:\n    x: text\n', 3, '"x" is a child of group "g", but no group'],
    ['g:\n  hosts: {"x[1:": }\n', 2, 'a host range is not closed'],
    ['a: {children: {b: }}\nb:\n  children:\n    a:\n', 4, 'a > b > a'],
    ['g:\n  vars:\n    ansible_group_priority: high\n', 3, 'not an integer'],
    ['"": {}\n', 1, 'empty name'],
  ])('%j is refused at line %i: %s', (text, line, message) => {
    const fault = faultOf(text);
    expect(fault).toMatchObject({ code: 'INVENTORY_SYNTAX', exitStatus: 2 });
    expect(fault.message).toMatch(new RegExp(`^${file}:${line}: `));
    expect(fault.message.replace('b > a > b', 'a > b > a')).toContain(message);
  });

  it.each([
    ['? LONG\n: {}\n', 1],
    ['g:\n  hosts: LONG\n', 2],
    ['g:\n  children: LONG\n', 2],
    ['g:\n  hosts:\n    ? LONG\n    : {}\n', 3],
  ])('%j with a name that is too long is refused at line %i', (text, line) => {
    const message = `${file}:${line}: a name is longer than 4096 characters`;
    expect(faultOf(text.replace('LONG', 'é'.repeat(4_097)))).toMatchObject({ code: 'INVENTORY_SYNTAX', message });
    expect(read(text.replace('LONG', 'é'.repeat(4_096))).warnings).toEqual([]);
  });

  it.each(['plugin: amazon.aws.aws_ec2\nregions: [eu]\n', 'plugin: [x]\n'])(
    '%j configures a plugin, which is refused',
    (text) => {
      expect(faultOf(text)).toMatchObject({
        code: 'INVENTORY_UNSUPPORTED',
        message: expect.stringContaining(`${file}:1: the file configures an inventory plugin`),
        hint: expect.stringContaining('ansible-inventory'),
      });
    },
  );

  it('warns of what Ansible passes over with a warning', () => {
    const { warnings, hosts } = read('x: text\ng:\n  hosts: h\n  other: {a: 1}\n  more: [1]\n  nothing:\n');
    expect(warnings).toEqual([
      `${file}:1: group "x" is passed over: it is no mapping`,
      `${file}:4: key "other" in group "g" is passed over: a group has "hosts", "vars" and "children"`,
      `${file}:5: key "more" in group "g" is passed over: it is no mapping`,
    ]);
    expect([...hosts.keys()]).toEqual(['h']);
  });

  it('remembers where variables were set, and whether the file is encrypted', () => {
    const text = 'g:\n  hosts:\n    h:\n      a: 1\n  vars:\n    b: 2\n';
    expect(Object.fromEntries(read(text).hosts.get('h')?.variables ?? [])).toEqual({
      a: { value: 1, file, line: 4 },
      b: { value: 2, file, line: 6 },
    });
    expect(read(text, true).hosts.get('h')?.variables.get('a')).toEqual({ value: 1, file, line: 4, encrypted: true });
  });

  it('limits the number of hosts', () => {
    expect(faultOf('g:\n  hosts:\n    a[1:60000]:\n    b[1:60000]:\n').message).toMatch(
      /:4: there are more than 100000 hosts/,
    );
  });

  const leaf = fc.constantFrom<unknown>(null, 'h', 1, true, '', 'x[1:3]', '[', 'a:', [], {}, ['h'], { h: null });
  const key = fc.constantFrom(
    'hosts',
    'children',
    'vars',
    'all',
    'ungrouped',
    'g',
    'h',
    'x[1:2]',
    '',
    'plugin',
    'ansible_group_priority',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, leaf, fc.dictionary(key, tie('tree'), { maxKeys: 3 })),
  }));

  it('gives an inventory or a BackupError for any mapping', () => {
    fc.assert(
      fc.property(fc.dictionary(key, tree, { minKeys: 1, maxKeys: 3 }), (value) => {
        try {
          read(JSON.stringify(value));
        } catch (error) {
          if (!(error instanceof BackupError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
