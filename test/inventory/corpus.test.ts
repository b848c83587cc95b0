import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { listWithAnsible, listWithProgram } from './ansible.js';
import type { AnsibleAnswer } from './ansible.js';
import { ourOutcome, outcomeOfAnsible, vaultSecretsOf } from './compare.js';

const corpus = join(import.meta.dirname, 'corpus');
const files = async (kind: string): Promise<string[]> =>
  (await readdir(join(corpus, kind))).sort().map((name) => join(corpus, kind, name));
const valid = await files('valid');
const invalid = await files('invalid');
const nameOf = (file: string): string => file.slice(corpus.length + 1);

const answers = new Map((await listWithAnsible([...valid, ...invalid])).map((answer) => [answer.file, answer]));
const answerOf = (file: string): AnsibleAnswer => {
  const answer = answers.get(file);
  if (answer === undefined) throw new Error(`Ansible did not answer for ${file}`);
  return answer;
};

describe('the corpus, against ansible-inventory --list', () => {
  it.each(valid.map((file) => [nameOf(file), file]))('%s is listed the same', async (_, file) => {
    expect(answerOf(file)).toMatchObject({ status: 0 });
    expect(await ourOutcome(file)).toEqual(outcomeOfAnsible(answerOf(file)));
  });

  it.each(invalid.map((file) => [nameOf(file), file]))('%s is refused by both, with file and line', async (_, file) => {
    expect(outcomeOfAnsible(answerOf(file))).toEqual({ refused: true });
    const vaultSecrets = await vaultSecretsOf(file);
    await expect(loadInventory({ source: file, vaultSecrets })).rejects.toMatchObject({
      code: file.includes('vault-password') ? 'VAULT_PASSWORD' : 'INVENTORY_SYNTAX',
      message: expect.stringMatching(/^\/.*\/corpus\/invalid\/[a-z0-9_./-]+:[1-9][0-9]*: ./),
    });
  });

  it.each(['valid/lambdastack', 'valid/containers', 'invalid/cycle'])(
    'the driver answers for %s as the program itself does',
    async (name) => {
      const file = join(corpus, name);
      const program = await listWithProgram(file);
      expect(program.stdout).toBe(answerOf(file).stdout);
      expect(program.status === 0).toBe(answerOf(file).status === 0);
    },
    60_000,
  );
});
