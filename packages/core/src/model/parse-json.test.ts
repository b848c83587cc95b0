import { inspect } from 'node:util';

import { describe, expect, it } from '@jest/globals';

import { parseJson } from './parse-json.js';

describe('parseJson', () => {
  it('gives the value', () => {
    expect(parseJson('{"a": [1, null]}')).toEqual({ a: [1, null] });
  });

  it.each(['hunter2', '{"password": hunter2}', '"hunter2', '{"hunter2"}', '["hunter2\t"]', ''])(
    'has no word of a text that is none, nor as a cause: %j',
    (text) => {
      let shown = '';
      try {
        parseJson(text);
      } catch (error) {
        shown = inspect(error, { depth: Infinity });
      }
      expect(shown).toMatch(/^SyntaxError: the text is not JSON\n/);
      expect(shown).not.toContain('hunter2');
    },
  );
});
