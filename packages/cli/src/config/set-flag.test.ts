import { describe, expect, it } from '@jest/globals';
import { parseSetFlags } from './set-flag.js';

describe('--set', () => {
  it.each([
    ['a.b=text', 'text'],
    ['a.b=/a/path=with=equals', '/a/path=with=equals'],
    ['a.b=7', 7],
    ['a.b=false', false],
    ['a.b=', ''],
    ['a.b="7"', '7'],
    ['a.b=["/x", "/y"]', ['/x', '/y']],
    ['a.b={"k": 1}', { k: 1 }],
    ['a.b=@S3cret!', '@S3cret!'],
    ['a.b=%S3cret!', '%S3cret!'],
    ['a.b=abc #def', 'abc #def'],
    ['a.b=~', '~'],
    ['a.b=0123', '0123'],
    ['a.b=a: b', 'a: b'],
  ])('%s', (flag, value) => {
    expect(parseSetFlags([flag])).toEqual({ a: { b: value } });
  });

  it('several go together, the last one of the same name wins', () => {
    expect(parseSetFlags(['a.x=1', 'b.y=2', 'a.z=3', 'a.x=4'])).toEqual({ a: { x: 4, z: 3 }, b: { y: 2 } });
  });

  it('has no names of its own', () => {
    expect(Object.keys(parseSetFlags(['__proto__.x=1', 'haproxy.__proto__=1']))).toEqual(['__proto__', 'haproxy']);
    expect(Object.keys(parseSetFlags(['haproxy.__proto__=1']).haproxy ?? {})).toEqual(['__proto__']);
  });

  it.each(['prometheus-password=S3cret!', 'a.b=[S3cret!', 'a.b="S3cret!'])(
    '%s is refused without its value',
    (flag) => {
      const refused = (): unknown => parseSetFlags([flag]);
      expect(refused).toThrow(expect.not.objectContaining({ cause: expect.anything() }));
      expect(refused).not.toThrow(/S3cret/);
    },
  );

  it.each(['a', 'a=b', 'a.b', '.b=c', 'a.=c', 'a.b=[', 'a.b: c'])('refuses "%s"', (flag) => {
    expect(() => parseSetFlags([flag])).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
