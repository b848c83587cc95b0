import { pick } from './generate.js';
import type { Random } from './generate.js';

const groups = ['a', 'b', 'c', 'd', 'e', 'web-1', 'Zeta', 'all', 'ungrouped', '"q r"', '1'];
const hosts = [
  'h1',
  'h2',
  'h3',
  '"n[1:3]"',
  'x[a:c]',
  'h1:2222',
  '"[::1]:22"',
  '10.0.0.1',
  'h4.example.com',
  '2',
  '~',
  'd',
];
const names = ['v', 'w', 'x', 'ansible_host', 'ansible_port', 'with-dash', '1', '"1"', 'yes', '2.50', '? k', '<<'];
const scalars = [
  'a',
  '1',
  'yes',
  '~',
  '0x1F',
  '0644',
  '1:30',
  '1.5',
  '1.0',
  '1.0e+3',
  '.inf',
  '.5',
  '1e3',
  '2001-01-01',
  '2001-12-14t21:59:43.10-05:00',
  '"q: r"',
  "'it''s'",
  'x y',
  '"{{ v }}"',
  '{{ v }}',
  '!unsafe "{{ a }}"',
  '!unsafe 12',
  '!vault x',
  '!!str 12',
  '!!int "12"',
  '! "7"',
  '"a\\tb\\u00e9"',
  'a: b',
  'a#b',
  'a #b',
  '12345678901234567890',
  '1_000',
  '0b1_1',
  '190:20:30.15',
  '*x',
  '&x 5',
  '[]',
  '{}',
  '[a, 1, [b]]',
  '{k: v, 1: w, true: x}',
  '[a: b, c]',
  '!!set {a}',
  '=',
  'é 😀',
];

/** A YAML inventory that mostly is in order; now and then a cycle, a wrong type or an alias of nothing. */
export function generateYamlInventory(random: Random): string {
  const count = 1 + Math.floor(random() * 3);
  const lines = Array.from({ length: count }, () => groupLines(random, { indent: '', depth: 3, place: groups.length }));
  return `${random() < 0.2 ? '---\n' : ''}${lines.flat().join('\n')}\n`;
}

interface Place {
  readonly indent: string;
  readonly depth: number;
  /** Children come from the groups before this one, which makes no cycles. */
  readonly place: number;
}

function groupLines(random: Random, { indent, depth, place }: Place): string[] {
  const own = random() < 0.95 ? Math.floor(random() * Math.min(place, 7)) : Math.floor(random() * groups.length);
  const name = groups[own] ?? 'a';
  const kind = random();
  if (kind < 0.1) return [`${indent}${name}:`];
  if (kind < 0.13) return [`${indent}${name}: ${pick(random, scalars)}`];
  const inner = `${indent}  `;
  const lines = [`${indent}${name}:`];
  if (random() < 0.7) lines.push(...hostLines(random, inner));
  if (depth > 0 && own > 0 && random() < 0.5) {
    lines.push(`${inner}children:`);
    const children = Array.from({ length: 1 + Math.floor(random() * 2) }, () =>
      groupLines(random, { indent: `${inner}  `, depth: depth - 1, place: own }),
    );
    lines.push(...children.flat());
  }
  if (random() < 0.5) lines.push(`${inner}vars:`, ...variableLines(random, `${inner}  `));
  if (random() < 0.05) lines.push(`${inner}other: ${pick(random, scalars)}`);
  return lines;
}

function hostLines(random: Random, indent: string): string[] {
  if (random() < 0.1) return [`${indent}hosts: ${pick(random, [...hosts, ...scalars])}`];
  const lines = [`${indent}hosts:`];
  for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
    const host = random() < 0.97 ? pick(random, hosts.slice(0, 9)) : pick(random, hosts);
    if (random() < 0.5) lines.push(`${indent}  ${host}:`);
    else if (random() < 0.1) lines.push(`${indent}  ${host}: ${pick(random, scalars)}`);
    else lines.push(`${indent}  ${host}:`, ...variableLines(random, `${indent}    `));
  }
  return lines;
}

function variableLines(random: Random, indent: string): string[] {
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
    if (random() < 0.05) return `${indent}ansible_group_priority: ${Math.floor(random() * 20)}`;
    const name = random() < 0.9 ? pick(random, names.slice(0, 6)) : pick(random, names);
    const kind = random();
    if (kind < 0.1) return `${indent}${name}: |\n${indent}  one\n${indent}   two\n`;
    if (kind < 0.2) return `${indent}${name}: >-\n${indent}  one\n${indent}  two\n\n${indent}  three`;
    if (kind < 0.3) return `${indent}${name}:\n${indent}- a\n${indent}- ${pick(random, scalars)}`;
    return `${indent}${name}: ${pick(random, scalars)}`;
  });
}

const pieces = [
  '\n',
  '\n  ',
  '\n- ',
  ' ',
  '\t',
  ':',
  ': ',
  '- ',
  '? ',
  ',',
  '[',
  ']',
  '{',
  '}',
  '#',
  ' #',
  '&x ',
  '*x',
  '!',
  '!!str ',
];
const morePieces = [
  '"',
  "'",
  '|',
  '>',
  '\\',
  '%',
  '@',
  '---',
  '...',
  '<<: ',
  'a',
  '1',
  '~',
  '\r',
  '\u0085',
  '\u2028',
  '\ufeff',
  'é',
  '😀',
];

/** A YAML inventory with a few characters taken out or put in. */
export function generateBrokenYaml(random: Random): string {
  let text = generateYamlInventory(random);
  for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) {
    const place = Math.floor(random() * text.length);
    const piece = random() < 0.5 ? '' : pick(random, [...pieces, ...morePieces]);
    text = text.slice(0, place) + piece + text.slice(place + (piece === '' ? 1 : 0));
  }
  return text;
}
