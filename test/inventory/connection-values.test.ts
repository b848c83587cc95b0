import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { loadCluster } from '../../packages/core/src/index.js';
import type { Host } from '../../packages/core/src/index.js';
import { callsOfSsh } from './ssh-calls.js';
import type { SshCall } from './ssh-calls.js';

/** Each variable with each value, as they are written in YAML. */
const names = [
  'ansible_host',
  'ansible_port',
  'ansible_user',
  'ansible_password',
  'ansible_ssh_private_key_file',
  'ansible_timeout',
  'ansible_host_key_checking',
];
const integers = ['22', '0', '1', '017', '0o17', '0x16', '1_000', '1:30', '65536', '-1', '123456789012345678901'];
const floats = [
  '22.0',
  '1.0',
  '0.0',
  '-0.0',
  '22.5',
  '1e5',
  '1.0e+5',
  '1.0e+22',
  '1.0e-7',
  '1:30.0',
  '.inf',
  '-.inf',
  '.nan',
];
const others = [
  'yes',
  'no',
  'null',
  '2001-01-01',
  '2001-01-01 10:00:00',
  '!!binary Ym9i',
  '[22]',
  '[]',
  '{a: 1}',
  '{}',
];
const texts = [
  '""',
  '"22 "',
  '" 022"',
  '"+22"',
  '"2_2"',
  '"22.0"',
  '"0x16"',
  '"1e2"',
  '"inf"',
  '"True"',
  '" yes "',
  '"ON"',
  '"None"',
];
const templates = [
  '"{{ f }}"',
  '"a{{ f }}"',
  '"{{ i }}{{ f }}"',
  '"{{ b }}"',
  '"x{{ b }}"',
  '"{{ n }}"',
  '"x{{ n }}"',
  '"{{ d }}"',
];
const values = [...integers, ...floats, ...others, ...texts, ...templates, '!unsafe "{{ f }}"'];
/** A reference to nothing as a password is none to us; Ansible sends the text of the template itself. */
const cases = names
  .flatMap((name) => values.map((value) => ({ name, value })))
  .filter(({ name, value }) => !(name === 'ansible_password' && value === '"{{ n }}"'));

const booleans = ['yes', 'no', '"{{ b }}"'];
const truths = ['1', '0', '1.0', '0.0', '-0.0', 'yes', 'no', 'null', '"True"', '" yes "', '"ON"'];
const truthTemplates = ['"{{ f }}"', '"{{ b }}"', '"{{ n }}"'];

/** What Ansible takes and we refuse: nobody means it, or ssh itself would not take it. Other words for truth are a "no" to Ansible. */
const refusedByUs: Readonly<Record<string, readonly string[]>> = {
  ansible_host: ['-1', '-0.0', '-.inf', ...booleans, '""', '"22 "', '" 022"', '" yes "', '!unsafe "{{ f }}"'],
  ansible_port: [
    '0',
    '65536',
    '-1',
    integers.at(-1) ?? '',
    '0.0',
    '-0.0',
    '1e5',
    '1.0e+5',
    '1.0e+22',
    ...booleans,
    '"1e2"',
  ],
  ansible_user: ['-1', '-0.0', '-.inf', ...booleans, '!unsafe "{{ f }}"'],
  ansible_password: booleans,
  ansible_ssh_private_key_file: booleans,
  ansible_timeout: ['-1', '1e5', '1.0e+22', ...booleans, '"1e2"'],
  ansible_host_key_checking: values.filter((value) => ![...truths, ...truthTemplates].includes(value)),
};

let directory: string;
const calls = new Map<string, SshCall>();
const hosts = new Map<string, Host>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-values-'));
  const inventory = join(directory, 'inventory.yml');
  const lines = cases.map(
    ({ name, value }, index) =>
      `    h${index}:\n      ansible_ssh_args: -o SetEnv=CASE=h${index}\n      ${name}: ${value}\n`,
  );
  const shared = 'all:\n  vars: {f: 1.0, i: 1, b: true, n: null, d: 2001-01-01}\n  hosts:\n';
  await writeFile(inventory, shared + lines.join(''));
  for (const call of await callsOfSsh(inventory, directory)) {
    const name = /CASE=(h[0-9]+)/.exec(call.words.join(' '))?.[1] ?? '';
    calls.set(name, call);
  }
  const cluster = await loadCluster({ source: inventory, user: { name: 'me', homeDirectory: directory } });
  for (const host of cluster.hosts) hosts.set(host.name, host);
}, 120_000);

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** The same for both where ssh is called the same. */
const text = ({ host, words, password }: SshCall): string => JSON.stringify([host, words, password]);

function ours(name: string): string {
  const host = hosts.get(name);
  if (host === undefined) throw new Error(`${name} is missing`);
  const { connection, refusal } = host;
  if (refusal !== undefined) return 'refused';
  const { sshDestination, sshArguments, password } = connection;
  return text({ host: sshDestination, words: sshArguments, password: password?.reveal() });
}

describe.each(names)('values of %s', (name) => {
  it('reach ssh as from Ansible, or are refused', () => {
    const compared = cases.flatMap((each, index) => {
      const call = calls.get(`h${index}`);
      return each.name === name
        ? [{ value: each.value, mine: ours(`h${index}`), theirs: call === undefined ? 'refused' : text(call) }]
        : [];
    });
    const differing = compared.filter(({ mine, theirs }) => mine !== theirs);
    expect(differing.filter(({ mine }) => mine !== 'refused')).toEqual([]);
    const refused = differing.filter(({ mine }) => mine === 'refused').map(({ value }) => value);
    expect(refused.sort()).toEqual([...(refusedByUs[name] ?? [])].sort());
  });
});
