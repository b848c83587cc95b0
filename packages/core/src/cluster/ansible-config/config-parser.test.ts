import { describe, expect, it } from '@jest/globals';

import { parseConfig } from './config-parser.js';

const parse = (text: string | Buffer) => parseConfig(Buffer.from(text), '/b/ansible.cfg');
const plain = (text: string) =>
  Object.fromEntries(
    [...parse(text)].map(([section, values]) => [
      section,
      Object.fromEntries([...values].map(([key, { value, line }]) => [key, [value, line]])),
    ]),
  );

describe('parseConfig', () => {
  it.each<[string, string, unknown]>([
    ['comments', '# a\n; b\n[s]\nk = v ; c\nl = a;b\nm = a # b\n', { s: { k: ['v', 4], l: ['a;b', 5], m: ['a # b', 6] } }],
    ['both signs, keys in any case', '[s]\nKey: v=w\nother = a:b\r\n', { s: { key: ['v=w', 2], other: ['a:b', 3] } }],
    ['values of several lines', '[s]\nk = a\n  b ; c\n# d\n\n  e\n\nl =\n', { s: { k: ['a\nb\n\ne', 2], l: ['', 8] } }],
    ['what is indented deeper goes on', '[s]\nk = a\n  [t]\n  l = b\n', { s: { k: ['a\n[t]\nl = b', 2] } }],
    ['what holds in every section', '[DEFAULT]\nk = v\n[s]\nl = w\n', { DEFAULT: { k: ['v', 2] }, s: { k: ['v', 2], l: ['w', 4] } }],
    ['no interpolation', '[s]\nk = %(x)s %% %h\n', { s: { k: ['%(x)s %% %h', 2] } }],
    ['words after a section', '[s] more\nk = v\n', { s: { k: ['v', 2] } }],
    ['names of JavaScript', '[__proto__]\nconstructor = v\n', Object.fromEntries([['__proto__', { constructor: ['v', 2] }]])],
  ])('%s', (_, text, expected) => {
    expect(plain(text)).toEqual(expected);
  }); // prettier-ignore

  it.each<[string, string | Buffer, string]>([
    ['a key before any section', 'k = v\n', '/b/ansible.cfg:1: there is no [section] before this line'],
    ['a byte order mark', '\uFEFF[s]\n', '/b/ansible.cfg:1: the file begins with a byte order mark, which Ansible does not take'],
    ['a key twice', '[s]\nk=1\nK=S3cret\n', '/b/ansible.cfg:3: a key comes twice in its section'],
    ['a section twice', '[s]\n[t]\n[s]\n', '/b/ansible.cfg:3: a section comes twice'],
    ['a word', '[s]\nS3cret\n', '/b/ansible.cfg:2: expected "key = value"'],
    ['another encoding', Buffer.from([0x5b, 0xff]), '/b/ansible.cfg is not UTF-8 text'],
  ])('refuses %s, as Ansible does', (_, text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }));
  }); // prettier-ignore
});
