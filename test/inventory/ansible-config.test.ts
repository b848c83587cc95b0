import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { parseConfig } from '../../packages/core/src/cluster/ansible-config/config-parser.js';
import { ansibleInventory } from './ansible.js';

/** Reads texts as ansible-core 2.19 does (config/manager.py); null for one that it does not start with. */
const program = `
import configparser, json, sys
def read(text):
    parser = configparser.ConfigParser(inline_comment_prefixes=(';',))
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {name: dict(parser.items(name, raw=True)) for name in parser.sections()}
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
`;

function withPython(texts: readonly string[]): unknown[] {
  const python = join(dirname(ansibleInventory()), 'python');
  const { stdout, stderr } = spawnSync(python, ['-c', program], { input: JSON.stringify(texts), encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as unknown[];
}

function ours(text: string): unknown {
  try {
    const sections = [...parseConfig(Buffer.from(text), 'ansible.cfg')].filter(([name]) => name !== 'DEFAULT');
    return Object.fromEntries(
      sections.map(([name, values]) => [name, Object.fromEntries([...values].map(([key, { value }]) => [key, value]))]),
    );
  } catch {
    return null;
  }
}

const parts = [
  ...Array.from(' =:;#[]%"\n\t\r'),
  ...['k', 'K', 'l=', 'm : v', '[s]', '[t]', '[DEFAULT]', '\n', '\n', '\n ', '\n  x', ' ;', '; c', '# c', '%(k)s'],
];

describe('parseConfig, against configparser as Ansible uses it', () => {
  it('reads what is generated the same', () => {
    const text = fc.array(fc.constantFrom(...parts), { maxLength: 25 }).map((pieces) => `[s]\n${pieces.join('')}`);
    const texts = fc.sample(text, 5000);
    const expected = withPython(texts);
    expect(expected.filter((each) => each !== null).length).toBeGreaterThan(500);
    expect(texts.map((each) => [each, ours(each)])).toEqual(texts.map((each, index) => [each, expected[index]]));
  });
});
