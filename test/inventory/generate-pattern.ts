import type { Random } from './generate.js';

const names = [
  'web',
  'web1',
  'web3',
  'lb1',
  'db',
  'prod',
  'k8s_cluster',
  'etcd',
  'kube_node',
  'node05',
  'monitoring',
  'all',
  'empty',
];
const names2 = [
  '::1',
  '[::1]:22',
  'db1.prod.example.com',
  'ungrouped',
  'test',
  'mon*',
  'node0?',
  'w[eb]b*',
  '*.com',
  'nope',
];
const subscripts = ['[0]', '[1]', '[-1]', '[0:1]', '[1:]', '[2:9]', '[0:0]', '[5]', '[1-2]', '[:1]'];
const globPieces = [
  '*',
  '?',
  '[',
  ']',
  '!',
  '-',
  '^',
  'n',
  'o',
  'd',
  'e',
  '0',
  '1',
  '2',
  'w',
  'b',
  'a-z',
  '0-5',
  '.',
  'l',
  '\\',
  '&',
  '~',
];
const regexPieces = [
  'web', 'node', 'db', '\\d', '\\w', '\\W', '\\b', '\\.', '.', '.*', '+', '*', '?', '(', ')', '(?:', '|', '[', ']', '[^', '0-5', 'a-z', '-',
  '{1,2}', '{,2}', '{', '}', '^', '$', '\\Z', '\\A', '1', '2', '(?=', '(?!', '\\s', '\\D', '{2}', '+?', 'n', 'o',
]; // prettier-ignore
const separators = [':', ',', ', ', ':!', ',!', ':&', ',&', ' '];

/** A limit of one to three patterns: known names with subscripts and signs, and globs and regular expressions of noise. */
export function generatePattern(random: Random): string {
  const count = 1 + Math.floor(random() * 3);
  const sign = pick(random, ['', '', '', '', '!', '&']);
  const parts = Array.from({ length: count }, () => generateOne(random));
  return sign + parts.reduce((list, part) => list + pick(random, separators) + part);
}

function generateOne(random: Random): string {
  const kind = random();
  if (kind < 0.45) return pick(random, names);
  if (kind < 0.55) return pick(random, names2);
  if (kind < 0.7) return pick(random, names) + pick(random, subscripts);
  const pieces = kind < 0.85 ? globPieces : regexPieces;
  const length = 1 + Math.floor(random() * 6);
  const noise = Array.from({ length }, () => pick(random, pieces)).join('');
  return kind < 0.85 ? noise : `~${noise}`;
}

function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new Error('nothing to choose from');
  return choice;
}
