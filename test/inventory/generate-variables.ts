import { pick } from './generate.js';
import type { Random } from './generate.js';

const groups = ['all', 'ungrouped', 'a', 'b', 'c', 'd', 'Zeta', 'web-1', 'db.x', 'nobody'];
const hosts = ['h1', 'h2', 'node01', 'node1', '10.0.0.1', 'h4.example.com', 'xa'];
const names = ['v', 'w', 'x', 'z', 'ansible_host', 'ansible_group_priority', 'inventory_dir', 'with-dash'];
const values = [
  '1',
  '-2',
  '1.5',
  'true',
  'yes',
  '~',
  'word',
  '"q"',
  '[1, {a: b}]',
  '{k: 1, l: [x]}',
  '{}',
  '"{{ v }}"',
  '0x1f',
  '!unsafe "{{ v }}"',
];
const inner = [
  'main.yml',
  'vars',
  'z.json',
  '10.yaml',
  '9.yml',
  'B.yml',
  '.hidden.yml',
  'old.yml~',
  'note.txt',
  'sub/x.yml',
  'sub/deep/y',
  'sub.d/x.yml',
];
const kinds = ['', '.yml', '.yaml', '.json', '.txt', '/'];

/** Files in `group_vars` and `host_vars` by their paths in the build directory; names there mostly are those of `generateInventory`. */
export function generateVariableFiles(random: Random): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (let count = Math.floor(random() * 14); count > 0; count -= 1) {
    const owner = random() < 0.7 ? `group_vars/${pick(random, groups)}` : `host_vars/${pick(random, hosts)}`;
    const kind = pick(random, kinds);
    const path = kind === '/' ? `${owner}${pick(random, ['', '.yml'])}/${pick(random, inner)}` : owner + kind;
    if (!clashes(path, files))
      files.set(path, path.endsWith('.json') ? '{"v": 1, "x": [null, 1.5]}' : generateYaml(random));
  }
  return files;
}

/** A path cannot be a file and a directory. */
function clashes(path: string, files: ReadonlyMap<string, string>): boolean {
  return [...files.keys()].some((other) => other.startsWith(`${path}/`) || path.startsWith(`${other}/`));
}

function generateYaml(random: Random): string {
  const kind = random();
  if (kind < 0.05) return '';
  if (kind < 0.08) return pick(random, ['# nothing\n', '---\n', '[]\n', 'false\n', '{}\n']);
  if (kind < 0.1) return pick(random, ['- list\n', 'text\n', 'a: [\n', '1\n']);
  const lines = Array.from(
    { length: 1 + Math.floor(random() * 4) },
    () => `${pick(random, names)}: ${pick(random, values)}\n`,
  );
  return (random() < 0.3 ? '---\n' : '') + lines.join('');
}
