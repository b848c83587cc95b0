import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import type { Host } from './cluster.js';
import { connectionOf } from './connection/connection.js';
import { matchesHostPattern, selectHosts } from './host-pattern.js';

const user = { name: 'me', homeDirectory: '/home/me' };
const hosts: readonly Host[] = ['lb1', 'lb2', 'db1', 'a.b.c'].map((name) => ({
  name,
  groups: [],
  variables: {},
  connection: connectionOf(
    { name, place: { file: '/i', line: 1 }, groups: [], variables: new Map() },
    { file: '/i', user },
  ),
}));
const names = (patterns?: readonly string[]) => selectHosts(hosts, patterns).map((host) => host.name);

describe('selectHosts', () => {
  it('takes names and patterns, keeps the order of the inventory, and each host once', () => {
    expect(names()).toEqual(['lb1', 'lb2', 'db1', 'a.b.c']);
    expect(names([])).toEqual(['lb1', 'lb2', 'db1', 'a.b.c']);
    expect(names(['db1', 'lb*', 'lb1'])).toEqual(['lb1', 'lb2', 'db1']);
    expect(names(['*1'])).toEqual(['lb1', 'db1']);
    expect(names(['a.*.c'])).toEqual(['a.b.c']);
  });

  it.each(['nope', 'LB1', 'lb?', 'x*', ''])('refuses %j, which names no host, with the known names', (pattern) => {
    expect(() => names(['lb1', pattern])).toThrow(
      expect.objectContaining({ code: 'USAGE', exitStatus: 2, hint: 'The hosts are lb1, lb2, db1, a.b.c.' }),
    );
  });

  it('agrees with the same pattern as a regular expression', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
    fc.assert(
      fc.property(letters, pattern, (name, glob) => {
        const expression = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
        expect(matchesHostPattern(name, glob)).toBe(expression.test(name));
      }),
      { numRuns: 3000 },
    );
  });
});
