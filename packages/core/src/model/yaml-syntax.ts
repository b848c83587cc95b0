import type { ErrorCode } from 'yaml';

/** The parser's words are for programmers; these are for the mistakes people make. */
const problems: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'an alias (*name) is not well formed',
  BAD_DQ_ESCAPE: 'a backslash sequence in double quotes is none that YAML knows',
  BAD_INDENT: 'the indentation does not fit the lines before',
  BAD_SCALAR_START: 'a value cannot begin with this character; quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a second ":" on a line; quote a value that has one',
  DUPLICATE_KEY: 'a key comes twice',
  MISSING_CHAR: 'a bracket, a quote, a comma or a ":" is missing',
  MULTILINE_IMPLICIT_KEY: 'a key has no ":", or goes over more than one line',
  MULTIPLE_DOCS: 'a second document begins (---); there can be only one',
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
  UNEXPECTED_TOKEN: 'something stands here that does not belong here',
};

/** What is wrong with a text, for an error of the package `yaml`; without a word of the text itself, which may be secret. */
export function yamlProblem(code: ErrorCode): string {
  return problems[code] ?? 'this is not valid YAML';
}
