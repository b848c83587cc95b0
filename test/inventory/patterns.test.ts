import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { limitWithAnsible, limitWithProgram, listWithProgram, type LimitAnswer } from './ansible.js';
import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { equal, refused, refusedByUs } from './pattern-table.js';
import { ourHosts, ourLimitedText } from './our-patterns.js';
import { generatePattern } from './generate-pattern.js';
import { randomSource } from './generate.js';

const file = join(import.meta.dirname, 'patterns/inventory');
const inventory = await loadInventory({ source: file });

const limits = [...equal, ...refused, ...refusedByUs.map(([limit]) => limit)];
const answers = new Map<string, LimitAnswer>(
  (await limitWithAnsible(file, limits)).map((answer, index) => [limits[index] ?? '', answer]),
);
const answerOf = (limit: string): LimitAnswer => {
  const answer = answers.get(limit);
  if (answer === undefined) throw new Error(`Ansible did not answer for ${limit}`);
  return answer;
};
const sorted = (hosts: readonly string[] | undefined): readonly string[] => [...(hosts ?? [])].sort();

describe('--limit, against ansible --list-hosts', () => {
  it.each(equal)('%j chooses the same hosts', async (limit) => {
    expect(answerOf(limit)).toMatchObject({ warnings: [] });
    const hosts = await ourHosts(inventory, limit);
    expect(hosts.length).toBeGreaterThan(0);
    expect(sorted(hosts)).toEqual(sorted(answerOf(limit).hosts));
    expect(hosts).toEqual([...inventory.hosts.keys()].filter((name) => hosts.includes(name)));
  });

  it.each(refused)('%j is refused, of which Ansible makes no hosts or a warning', async (limit) => {
    const { error, warnings } = answerOf(limit);
    expect(error !== undefined || warnings.length > 0).toBe(true);
    await expect(ourHosts(inventory, limit)).rejects.toMatchObject({ code: 'USAGE', exitStatus: 2 });
  });

  it.each(refusedByUs)('%j is refused by us alone: %s', async (limit, reason) => {
    expect(answerOf(limit).error).toBeUndefined();
    await expect(ourHosts(inventory, limit)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(reason) as unknown,
    });
  });

  it.each(['web*:!web3:&prod', 'kube_node[3:5]', 'nowhere'])(
    'the driver answers for %s as the program itself does',
    async (limit) => expect(await limitWithProgram(file, limit)).toEqual(answerOf(limit).hosts),
    60_000,
  );
});

describe('lsbackup inventory --json --limit, against ansible-inventory --list --limit', () => {
  it.each(['web:lb1', '!k8s_cluster'])('%s lists the same', async (limit) => {
    const program = await listWithProgram(file, '--limit', limit);
    const list = JSON.parse(program.stdout) as { _meta: Record<string, unknown> };
    delete list._meta.profile;
    expect(JSON.parse(await ourLimitedText(inventory, limit))).toEqual(list);
  });
});

describe('random patterns', () => {
  const seed = Number(process.env.LSBACKUP_TEST_SEED ?? '20260801');
  const scale = Number(process.env.LSBACKUP_TEST_SCALE ?? '1');

  it(
    'choose the same hosts, without a warning of Ansible, or are refused by us',
    async () => {
      const random = randomSource(seed);
      const patterns = Array.from({ length: 3000 * scale }, () => generatePattern(random));
      const theirs = await limitWithAnsible(file, patterns);
      let chosen = 0;
      for (const [index, limit] of patterns.entries()) {
        const hosts = await ourHosts(inventory, limit).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'USAGE' });
          return undefined;
        });
        if (hosts === undefined) continue;
        chosen += 1;
        expect({ limit, hosts: sorted(hosts) }).toEqual({ limit, hosts: sorted(theirs[index]?.hosts) });
        expect({ limit, warnings: theirs[index]?.warnings }).toEqual({ limit, warnings: [] });
      }
      expect(chosen).toBeGreaterThan(patterns.length / 5);
    },
    240_000 * scale,
  );
});
