import { describe, expect, it } from '@jest/globals';
import { accepts } from '../testing/check-format.js';
import { sqlFormat } from './sql.js';

const dump = `--
-- PostgreSQL database cluster dump
--

\\restrict Z2tQp7LyXKBQvHHALy0jgc

SET default_transaction_read_only = off;
CREATE ROLE report;
ALTER ROLE report WITH NOSUPERUSER INHERIT LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';
${'-- filler that is longer than the tail\n'.repeat(200)}
\\unrestrict Z2tQp7LyXKBQvHHALy0jgc

--
-- PostgreSQL database cluster dump complete
--
`;

describe('sqlFormat', () => {
  it.each([
    ['as pg_dumpall 15.18 writes it', `${dump}\n`],
    ['without the last empty line', dump],
    ['with CR LF', dump.replaceAll('\n', '\r\n')],
    ['of one database', dump.replaceAll(' cluster', '')],
    ['with \\unrestrict after the mark', `${dump}\n\\unrestrict abcDEF123\n\n`],
    [
      'verbose',
      dump.replace(
        '--\n-- PostgreSQL database cluster dump complete',
        '-- Completed on 2026-01-01 00:00:00 UTC\n\n--\n-- PostgreSQL database cluster dump complete',
      ),
    ],
  ])('accepts a dump %s, in any chunks', (_title, text) => {
    const content = Buffer.from(text);
    expect(accepts(sqlFormat, content)).toBe(true);
    expect(accepts(sqlFormat, content, [1])).toBe(true);
    expect(accepts(sqlFormat, content, [5000, 3, 100])).toBe(true);
  });

  it('refuses every prefix without the whole mark', () => {
    const content = Buffer.from(dump);
    for (let length = 0; length < content.length; length++)
      expect(accepts(sqlFormat, content.subarray(0, length), [1000])).toBe(false);
  });

  it('refuses text after the mark', () => {
    expect(accepts(sqlFormat, Buffer.from(`${dump}CREATE ROLE late;\n`))).toBe(false);
    expect(accepts(sqlFormat, Buffer.from(`COMMENT ON ROLE x IS '-- PostgreSQL database cluster dump complete`))).toBe(
      false,
    );
  });
});
