import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { encode, MessageReader, MessageSplitter } from './ssh-messages.js';

describe('messages of SSH', () => {
  it('come out as they were put in, however they are cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }), (bodies, sizes) => {
        const all = Buffer.concat(bodies.map((body) => encode(Buffer.from(body))));
        const splitter = new MessageSplitter();
        const received: Buffer[] = [];
        for (let at = 0, turn = 0; at < all.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          const chunk = Buffer.from(all.subarray(at, at + size));
          for (const message of splitter.push(chunk)) received.push(Buffer.from(message));
          // Whatever is kept must be a copy: the chunk's memory is freed.
          chunk.fill(0xff);
          at += size;
        }
        expect(received).toEqual(bodies.map((body) => Buffer.from(body)));
      }),
    );
  });

  it('are written and read as RFC 4251 says', () => {
    const bytes = encode('exec', true, 3, Buffer.from([1, 2]));
    expect(bytes.toString('hex')).toBe(`00000004${Buffer.from('exec').toString('hex')}0100000003000000020102`);
    const reader = new MessageReader(bytes);
    expect([reader.text(), reader.boolean(), reader.uint32(), [...reader.bytes()]]).toEqual(['exec', true, 3, [1, 2]]);
  });

  it('that are damaged are refused', () => {
    expect(() => new MessageReader(encode(5)).bytes()).toThrow(RangeError);
    expect(() => new MessageReader(Buffer.alloc(2)).uint32()).toThrow();
    expect(() => [...new MessageSplitter().push(encode(0x7fffffff))]).toThrow('too long');
  });
});
