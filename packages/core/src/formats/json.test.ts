import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { accepts, checkWhole } from '../testing/check-format.js';
import { jsonFormat } from './json.js';

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');
const document = utf8(
  JSON.stringify(
    {
      users: [{ name: 'ünï 漢字 😀', tags: ['\u0000', '\\', '"'], n: -1.5e-7 }],
      empty: {},
      list: [[], true, false, null, 0],
    },
    null,
    1,
  ),
);

/** A cut may leave half of a surrogate pair, which UTF-8 cannot carry. */
function wellFormed(text: string): string {
  return utf8(text).toString('utf8');
}

function parses(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object' && JSON.parse(text) !== null;
  } catch {
    return false;
  }
}

describe('jsonFormat', () => {
  it('accepts a document in any chunks, also cut inside a character', () => {
    checkWhole(jsonFormat, document);
    checkWhole(jsonFormat, document, [1]);
    checkWhole(jsonFormat, Buffer.concat([document, utf8(' \r\n')]), [3]);
  });

  it('refuses every strict prefix', () => {
    for (let length = 0; length < document.length; length++)
      expect(accepts(jsonFormat, document.subarray(0, length))).toBe(false);
  });

  it.each([
    '{"a":1,}',
    '[1,]',
    '[,1]',
    '{"a" 1}',
    '{a:1}',
    '[01]',
    '[1.]',
    '[-]',
    '[+1]',
    '[.5]',
    '[1e]',
    '[tru]',
    '[nul l]',
    '["\\x"]',
    '["\\u12g4"]',
    '["\t"]',
    '[]]',
    '{}{}',
    '[}',
    '{"a":]',
    '{"a"}',
    '\ufeff{}',
    '"text"',
    '12',
    '',
    ' ',
    '[1 2]',
    'Error: no\n{}',
  ])('refuses %j', (text) => {
    expect(accepts(jsonFormat, utf8(text))).toBe(false);
  });

  it('refuses bytes that are not UTF-8, also at the very end', () => {
    expect(accepts(jsonFormat, Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]))).toBe(false);
    expect(accepts(jsonFormat, Buffer.concat([utf8('{}'), Buffer.from([0xc3])]))).toBe(false);
  });

  it('refuses endless nesting', () => {
    expect(accepts(jsonFormat, utf8('['.repeat(20_000)))).toBe(false);
  });

  it('agrees with JSON.parse on documents with one character changed', () => {
    const changed = fc
      .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.constantFrom(...Array.from('{}[],:"\\ 0.-e1tn\n')), fc.boolean())
      .map(([text, at, character, insert]) => {
        const position = at % (text.length + 1);
        return text.slice(0, position) + character + text.slice(position + (insert ? 0 : 1));
      });
    fc.assert(
      fc.property(changed, fc.integer({ min: 1, max: 9 }), (text, length) => {
        expect(accepts(jsonFormat, utf8(wellFormed(text)), [length])).toBe(parses(wellFormed(text)));
      }),
      { numRuns: 1000 },
    );
  });
});
