import { describe, expect, it } from '@jest/globals';

import { parseIniInventory } from './ini-inventory.js';
import { inventoryJson, inventoryList } from './inventory-list.js';

const listOf = (...lines: string[]) => {
  const resolved = parseIniInventory(lines, '/build/inventory');
  return inventoryList({ ...resolved, file: '/build/inventory', sha256: '' });
};

describe('inventoryList and inventoryJson', () => {
  it('lists groups with their own hosts and children, and merged variables of hosts', () => {
    expect(listOf('[top:children]', 'web', 'empty', '[web]', 'b x=1', 'a', '[empty]', '[top:vars]', 'y=2')).toEqual({
      _meta: { hostvars: { a: { y: 2 }, b: { x: 1, y: 2 } } },
      all: { children: ['ungrouped', 'top'] },
      top: { children: ['web', 'empty'] },
      web: { hosts: ['b', 'a'] },
    });
  });

  it('writes sorted keys and every digit', () => {
    const text = inventoryJson(listOf('h b=123456789012345678901 a=[] c=-0.0 d={} Z=1.0 i=1e999'));
    expect(text).toBe(
      [
        '{',
        '    "_meta": {',
        '        "hostvars": {',
        '            "h": {',
        '                "Z": 1.0,',
        '                "a": [],',
        '                "b": 123456789012345678901,',
        '                "c": -0.0,',
        '                "d": {},',
        '                "i": "inf"',
        '            }',
        '        }',
        '    },',
        '    "all": {',
        '        "children": [',
        '            "ungrouped"',
        '        ]',
        '    },',
        '    "ungrouped": {',
        '        "hosts": [',
        '            "h"',
        '        ]',
        '    }',
        '}',
      ].join('\n'),
    );
  });
});
