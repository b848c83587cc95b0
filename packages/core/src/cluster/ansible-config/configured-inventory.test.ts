import { describe, expect, it } from '@jest/globals';

import { parseConfig } from './config-parser.js';
import { inventoryPaths, writtenInventory } from './configured-inventory.js';

function paths(value: string): readonly string[] {
  const written = writtenInventory(parseConfig(Buffer.from(`[defaults]\ninventory = ${value}\n`), '/b/ansible.cfg'));
  if (written === undefined) throw new Error('there is none');
  return inventoryPaths(written);
}

describe('inventory in ansible.cfg', () => {
  // DEFAULT_HOST_LIST of `ansible-config dump`.
  it.each<[string, string[]]>([
    ['hosts', ['/b/hosts']],
    ['inv/a, b ,/c', ['/b/inv/a', '/b/b', '/c']],
    ['hosts,', ['/b/hosts', '/b']],
    ['hosts, ,inv', ['/b/hosts', '/b', '/b/inv']],
    ['', ['/b']],
    ['"hosts"', ['/b/"hosts"']],
    ['"hosts,inv"', ['/b/"hosts', '/b/inv"']],
  ])('%j stands for %j, as for Ansible', (value, expected) => {
    expect(paths(value)).toEqual(expected);
  });

  it.each(['{{CWD}}/hosts', '~/hosts', '$HOME/hosts', 'hosts,${X}'])('%j is refused', (value) => {
    expect(() => paths(value)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: '/b/ansible.cfg:2: "~", "$" and "{{" in inventory are not expanded',
        hint: expect.stringContaining('-i'),
      }),
    );
  });
});
