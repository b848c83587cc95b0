import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { nameOf, quoteName, quoteText, splitScript, statementsOf, withName, wordsOf } from './sql-text.js';

const odd = fc.string({
  unit: fc.constantFrom(
    "'",
    '"',
    '\\',
    ';',
    '$',
    '$$',
    '$a$',
    '--',
    '/*',
    '*/',
    '\n',
    'E',
    'e',
    'x',
    '_',
    'ü',
    '😀',
    ' ',
  ),
});

describe('splitScript', () => {
  it('joined again is the script, whatever it is', () => {
    fc.assert(fc.property(odd, (script) => splitScript(script).join('') === script));
  });

  it('ends statements at semicolons only that are none of a string, name or comment', () => {
    const strings = fc.oneof(
      odd.map(quoteText),
      odd.map((text) => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
      odd.map((text) => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`),
      odd.map(quoteName),
      odd.filter((text) => !text.includes('$')).map((text) => `$a$${text}$a$`),
      odd.map((text) => `--${text.replaceAll('\n', '')}\n`),
      odd.map((text) => `/*${text.replaceAll('/', '').replaceAll('*', '')}/* ; */*/`),
    );
    fc.assert(
      fc.property(fc.array(strings, { minLength: 1 }), (list) => {
        const statements = list.map((text) => `ALTER ROLE x PASSWORD ${text};`);
        expect(splitScript(statements.join('\n')).map((part) => part.trim())).toEqual(statements);
      }),
    );
  });
});

describe('statementsOf', () => {
  it('leaves out comments and the lines that are for psql', () => {
    const script = [
      '-- a; comment',
      '\\restrict abc',
      '',
      'SET standard_conforming_strings = on;',
      'CREATE ROLE "odd ""role"";";',
      "ALTER ROLE x WITH LOGIN PASSWORD 'a;b' VALID UNTIL 'infinity';",
      "COMMENT ON ROLE x IS E'it\\'s; \\\\';",
      '\\unrestrict abc',
      '-- done',
    ].join('\n');
    expect(statementsOf(script)).toEqual([
      'SET standard_conforming_strings = on;',
      'CREATE ROLE "odd ""role"";";',
      "ALTER ROLE x WITH LOGIN PASSWORD 'a;b' VALID UNTIL 'infinity';",
      "COMMENT ON ROLE x IS E'it\\'s; \\\\';",
    ]);
  });
});

describe('wordsOf', () => {
  it('takes a quoted name for one word, whatever it holds', () => {
    fc.assert(
      fc.property(odd, odd, (one, other) => {
        const words = wordsOf(`GRANT ${quoteName(one)} TO ${quoteName(other)};`);
        expect(words).toEqual(['GRANT', quoteName(one), 'TO', quoteName(other), ';']);
        expect(words.map(nameOf)[1]).toBe(one);
      }),
    );
  });
});

describe('withName', () => {
  it.each([
    ["COMMENT ON DATABASE app IS 'DATABASE app';", `COMMENT ON DATABASE "c" IS 'DATABASE app';`],
    [
      'ALTER ROLE "x DATABASE app" IN DATABASE app SET work_mem TO \'1\';',
      `ALTER ROLE "x DATABASE app" IN DATABASE "c" SET work_mem TO '1';`,
    ],
    ['GRANT CONNECT ON DATABASE "app" TO app;', 'GRANT CONNECT ON DATABASE "c" TO app;'],
    ['ALTER DATABASE apple SET x TO 1;', 'ALTER DATABASE apple SET x TO 1;'],
  ])('replaces the name in %s', (statement, expected) => {
    expect(withName(statement, ['DATABASE', 'app'], 'c')).toBe(expected);
  });
});
