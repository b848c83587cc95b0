import { describe, expect, it } from '@jest/globals';
import { bytesText, counted, durationText, indented, printable, tableText } from './text.js';

describe('text for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [10 * 1024 * 1024, '10 MiB'],
    [5.5 * 1024 ** 4, '5.5 TiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });

  it.each([
    [0.4, '0 s'],
    [59, '59 s'],
    [65, '1 min 05 s'],
    [7_620, '2 h 07 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });

  it('counts', () => {
    expect([counted(0, 'host'), counted(1, 'host'), counted(2, 'host')]).toEqual(['0 hosts', '1 host', '2 hosts']);
  });

  it('takes the power out of control characters', () => {
    expect(printable('a\u001b[2Jb\u0007\r\tc\u009bd\ne')).toBe('a?[2Jb???c?d\ne');
  });

  it('aligns columns and keeps a cell on its line', () => {
    expect(
      tableText(
        ['A', 'LONG'],
        [
          ['abc', 'x'],
          ['d\ne', ''],
        ],
      ),
    ).toBe('A    LONG\nabc  x\nd e');
  });

  it('indents', () => {
    expect(indented('a\n\nb')).toBe('  a\n\n  b');
  });
});
