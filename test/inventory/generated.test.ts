import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { listWithAnsible } from './ansible.js';
import type { AnsibleAnswer } from './ansible.js';
import { ourOutcome, outcomeOfAnsible } from './compare.js';
import type { Outcome } from './compare.js';
import { generateInventory, generateNoise, pick, randomSource } from './generate.js';
import type { Random } from './generate.js';
import { generateBrokenYaml, generateYamlInventory } from './generate-yaml.js';
import { generateVariableFiles } from './generate-variables.js';

/** Change the seed to hunt; what it finds goes into the corpus. */
const seed = Number(process.env.LSBACKUP_TEST_SEED ?? '20260801');
const scale = Number(process.env.LSBACKUP_TEST_SCALE ?? '1');

describe('generated inventories, against ansible-inventory --list', () => {
  let directory: string;
  let answers: readonly AnsibleAnswer[];
  const texts = new Map<string, string>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lsbackup-inventory-'));
    const random = randomSource(seed);
    for (let index = 0; index < 80 * scale; index += 1)
      texts.set(join(directory, `structured-${index}`), generateInventory(random));
    for (let index = 0; index < 160 * scale; index += 1)
      texts.set(join(directory, `noise-${index}`), generateNoise(random));
    for (let index = 0; index < 160 * scale; index += 1)
      texts.set(join(directory, `yaml-${index}.yml`), generateYamlInventory(random));
    for (let index = 0; index < 80 * scale; index += 1)
      texts.set(join(directory, `broken-${index}${pick(random, ['', '.yml'])}`), generateBrokenYaml(random));
    for (const [file, text] of texts) await writeFile(file, text);
    const several = Array.from({ length: 40 * scale }, (_, index) => join(directory, `several-${index}`, 'inventory'));
    for (const source of several) texts.set(source, await writeSeveral(source, random));
    const builds = Array.from({ length: 80 * scale }, (_, index) => join(directory, `build-${index}`));
    for (const build of builds) texts.set(build, await writeBuild(build, random));
    answers = await listWithAnsible([...texts.keys()]);
  }, 300_000 * scale);

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it.each(['structured', 'noise', 'yaml', 'broken', 'several', 'build'])(
    '%s: same list, or refused by both',
    async (kind) => {
      const compared = answers.filter((answer) => answer.file.startsWith(join(directory, `${kind}-`)));
      expect(compared.length).toBeGreaterThanOrEqual(40 * scale);
      for (const answer of compared) {
        const choice = kind === 'several' ? { inventory: [answer.file] } : { source: answer.file };
        const [ours, theirs] = [await ourOutcome(answer.file, choice), outcomeOfAnsible(answer)];
        if (!isDeepStrictEqual(ours, theirs))
          throw new Error(difference(texts.get(answer.file), { ours, theirs, answer }));
      }
    },
  );

  it('the generator makes both inventories that are listed and ones that are refused', () => {
    const refused = answers.filter((answer) => answer.status !== 0).length;
    expect(refused).toBeGreaterThan(10);
    expect(answers.length - refused).toBeGreaterThan(100);
  });
});

/** A directory of two or three inventories of both grammars; returns all of their texts. */
async function writeSeveral(source: string, random: Random): Promise<string> {
  await mkdir(source, { recursive: true });
  const texts = await Promise.all(
    ['1', '2.yml', '3'].slice(random() < 0.5 ? 1 : 0).map(async (name) => {
      const text = name.endsWith('.yml') ? generateYamlInventory(random) : generateInventory(random);
      await writeFile(join(source, name), text);
      return `# ${name}\n${text}`;
    }),
  );
  return texts.join('');
}

/** A build directory with an INI inventory and files of variables; returns all of their texts. */
async function writeBuild(build: string, random: Random): Promise<string> {
  const files = new Map([['inventory', generateInventory(random)], ...generateVariableFiles(random)]);
  for (const [path, text] of files) {
    await mkdir(dirname(join(build, path)), { recursive: true });
    await writeFile(join(build, path), text);
  }
  return [...files].map(([path, text]) => `--- ${path}\n${text}`).join('\n');
}

function difference(text = '', found: { ours: Outcome; theirs: Outcome; answer: AnsibleAnswer }): string {
  const { ours, theirs, answer } = found;
  const shown = { ours: JSON.stringify(ours), theirs: JSON.stringify(theirs) };
  return `the lists differ for ${answer.file}:\n${text}\nlsbackup: ${shown.ours}\nAnsible: ${shown.theirs}\n${answer.stderr}`;
}
