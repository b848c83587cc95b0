/** Numbers in [0, 1) that depend on the seed only (mulberry32). */
export type Random = () => number;

export function randomSource(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const groups = ['a', 'b', 'c', 'd', 'e', 'kafka', 'web-1', 'Zeta', 'all', 'db.x'];
const hostPatterns = [
  'h1',
  'h2',
  'h3',
  'node[1:3]',
  'node[01:03]',
  'x[a:c]',
  'h1:2222',
  'k[0:6:3]-[a:b]',
  '[::1]:22',
  '10.0.0.1',
  'h4.example.com',
];
const names = ['v', 'w', 'x', 'ansible_host', 'ansible_port', 'ansible_user', 'with-dash'];
const atoms = [
  '1',
  '-2',
  '0x1F',
  '1_0',
  '1.5',
  '1.0',
  '1e3',
  '.5',
  'True',
  'None',
  'word',
  "'s'",
  '"t"',
  "'a' 'b'",
  "r'\\d'",
  "'\\n\\x41'",
  '2j',
  '1+2j',
  '...',
  '12345678901234567890',
  '()',
  '[]',
  '{}',
  'set()',
  '08',
  '1.2.3',
  '',
  'a,b',
  '# c',
];

/** An inventory that mostly is in order: sections, hosts, variables, children; now and then a cycle or an unknown group. */
export function generateInventory(random: Random): string {
  const lines: string[] = [];
  const count = 2 + Math.floor(random() * 10);
  for (let index = 0; index < count; index += 1) lines.push(...generateSection(random));
  for (const group of groups) if (random() < 0.9 && group !== 'all') lines.push(`[${group}]`);
  return `${lines.join('\n')}\n`;
}

function generateSection(random: Random): string[] {
  const place = Math.floor(random() * groups.length);
  const group = groups[place] ?? 'a';
  const lines = Array.from({ length: Math.floor(random() * 4) });
  const kind = random();
  if (kind < 0.4) return [`[${group}]`, ...lines.map(() => generateHost(random))];
  if (kind < 0.7) {
    return [
      `[${group}:vars]`,
      ...lines.map(() => `${pick(random, names)}${pick(random, ['=', ' = '])}${generateValue(random, 2)}`),
    ];
  }
  if (kind < 0.75) return [`[${group}:vars]`, `ansible_group_priority=${Math.floor(random() * 20)}`];
  const below = random() < 0.95 ? groups.slice(0, place).filter((name) => name !== 'all') : groups;
  return below.length === 0 ? [] : [`[${group}:children]`, ...lines.map(() => pick(random, below))];
}

function generateHost(random: Random): string {
  const assignments = Array.from({ length: Math.floor(random() * 3) }, () => {
    const value = generateValue(random, 1);
    const quoted = random() < 0.5 && !value.includes('"') ? `"${value}"` : value.includes(' ') ? '1' : value;
    return ` ${pick(random, names)}=${quoted}`;
  });
  return pick(random, hostPatterns) + assignments.join('') + (random() < 0.1 ? ' # note' : '');
}

/** Sets have one member, since the order of more depends on Python's hash function. */
function generateValue(random: Random, depth: number): string {
  const kind = depth === 0 ? 1 : random();
  const value = (): string => generateValue(random, depth - 1);
  if (kind < 0.1) return `[${value()}, ${value()}]`;
  if (kind < 0.15) return `(${value()},)`;
  if (kind < 0.2) return `(${value()})`;
  if (kind < 0.3) return `{'k': ${value()}, ${pick(random, ["'l'", '1', '2.5', 'None', 'True'])}: ${value()}}`;
  if (kind < 0.33) return `{${value()}}`;
  if (kind < 0.36) return `${value()}, ${value()}`;
  return pick(random, atoms);
}

const pieces = [
  '[',
  ']',
  '[',
  ']',
  ':',
  '1',
  '2',
  '01',
  'a',
  'c',
  'z',
  '=',
  "'",
  '"',
  '\\',
  '#',
  ';',
  ' ',
  '\t',
  ',',
  '{',
  '}',
  '(',
  ')',
  '.',
  '-',
  '+',
  '_',
  'x',
  'é',
  '|',
  'vars',
  'children',
  'True',
  'b',
  'r',
  'u',
  '0x',
  'e',
  'j',
  '\u00a0',
  '\u0085',
];

/** A small inventory with one line of noise in one of its sections. */
export function generateNoise(random: Random): string {
  const length = 1 + Math.floor(random() * 12);
  const noise = Array.from({ length }, () => pick(random, pieces)).join('');
  const kind = random();
  const before =
    kind < 0.35
      ? '[g]\n'
      : kind < 0.45
        ? '[g]\nh\n[g:vars]\n'
        : kind < 0.55
          ? '[g]\n[p:children]\n'
          : kind < 0.8
            ? '[g]\nh\n[g:vars]\nv='
            : '[g]\nh v=';
  return `${before}${noise}\nlast=1\n`;
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new Error('nothing to choose from');
  return choice;
}
