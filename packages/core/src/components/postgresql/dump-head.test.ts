import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createOption, readDumpHead } from './dump-head.js';

const fixture = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'fixtures', name));

describe('readDumpHead', () => {
  it('reads what a dump says of its database, and what it needs', async () => {
    const name = 'pg15-database.dump';
    expect(await readDumpHead(Readable.from([fixture(name)]), name)).toEqual({
      name: 'fixture "DATABASE x"',
      owner: 'fixture; owner',
      createOptions: "WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE_PROVIDER = libc LOCALE = 'C'",
      statements: [
        `COMMENT ON DATABASE "fixture ""DATABASE x""" IS 'a; comment';`,
        'REVOKE CONNECT,TEMPORARY ON DATABASE "fixture ""DATABASE x""" FROM PUBLIC;',
        'GRANT CONNECT ON DATABASE "fixture ""DATABASE x""" TO fixture_reader;',
        `ALTER DATABASE "fixture ""DATABASE x""" CONNECTION LIMIT = 7;`,
        `ALTER DATABASE "fixture ""DATABASE x""" SET search_path TO 'a', 'b';`,
        `ALTER DATABASE "fixture ""DATABASE x""" SET "app.key" TO 'canary';`,
        `ALTER ROLE fixture_reader IN DATABASE "fixture ""DATABASE x""" SET work_mem TO '3MB';`,
      ],
      roles: ['fixture; owner', 'fixture_reader', 'pg_monitor', 'postgres'],
      tablespaces: [],
      extensions: ['hstore'],
    });
  });

  it.each(['pg15-piped.dump', 'pg15-seekable.dump', 'pg15-piped-gzip.dump'])('reads %s', async (name) => {
    const head = await readDumpHead(Readable.from([fixture(name)]), name);
    expect(head).toMatchObject({
      name: 'small',
      owner: 'postgres',
      statements: [],
      roles: ['postgres'],
      extensions: [],
    });
  });

  it('reads no further than the table of contents', async () => {
    const content = fixture('pg15-piped.dump');
    let given = 0;
    async function* bytes(): AsyncGenerator<Uint8Array, void> {
      for (; given < content.length; given += 1) {
        yield content.subarray(given, given + 1);
        await Promise.resolve();
      }
    }
    const stream = Readable.from(bytes(), { highWaterMark: 1 });
    await readDumpHead(stream, 'x');
    expect(given).toBeLessThan(content.length - 200);
    expect(stream.destroyed).toBe(true);
  });

  it('refuses one that ends in its table of contents', async () => {
    const head = readDumpHead(Readable.from([fixture('pg15-piped.dump').subarray(0, 900)]), 'x');
    await expect(head).rejects.toMatchObject({ code: 'FORMAT_INVALID' });
  });
});

describe('createOption', () => {
  it.each([
    ["WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8'", 'LOCALE', 'C.UTF-8'],
    ["WITH LC_COLLATE = 'de_DE' LC_CTYPE = 'it''s'", 'LC_CTYPE', "it's"],
    ["WITH LOCALE_PROVIDER = icu ICU_LOCALE = 'de'", 'LOCALE_PROVIDER', 'icu'],
    ["WITH LOCALE_PROVIDER = icu ICU_LOCALE = 'de'", 'LOCALE', undefined],
  ])('of %s is %s', (options, key, value) => {
    expect(createOption(options, key)).toBe(value);
  });
});
