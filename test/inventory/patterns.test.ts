import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { limitWithAnsible, limitWithProgram, listWithProgram, type LimitAnswer } from './ansible.js';
import { loadInventory } from '../../packages/core/src/cluster/inventory/load-inventory.js';
import { ourHosts, ourLimitedText } from './our-patterns.js';
import { generatePattern } from './generate-pattern.js';
import { randomSource } from './generate.js';

const file = join(import.meta.dirname, 'patterns/inventory');
const inventory = await loadInventory({ source: file });

/** Both choose the same hosts, at least one. */
const equal = [
  'all',
  '*',
  'lb1',
  'haproxy',
  'lb*',
  'lb?',
  'lb[!1]',
  'lb[12]*',
  'node0[!1-3]',
  'node1[!a-z]',
  'Node01',
  'Upper',
  '*.example.com',
  'db1.*.example.com',
  'db?.prod.*',
  '10.0.0.77',
  '::1',
  'k8s_cluster',
  'monitoring',
  'prod',
  'ungrouped',
  'ungr*',
  'al?',
  'web',
  'we*',
  'web_canary',
  'mon1',
  'postgresql',
  'p*',
  'lb1,lb2',
  'lb1, db',
  ' lb1 ,,db, ',
  'lb1:lb2',
  'web:db',
  'web1:lb1',
  'haproxy:web:db',
  'web:',
  ':web',
  'lb1 lb2',
  '!web',
  '!web:!db',
  'all:!k8s_cluster',
  '!empty',
  'web:!web3',
  '!web3:web',
  'web:!web3:&web_canary',
  '&web',
  'prod:&test',
  '&test:prod',
  'k8s_cluster:&etcd',
  'k8s_cluster,!master*',
  'k8s_cluster,&etcd,!node05',
  'prod:!postgresql:!monitoring',
  'web*:!web3:&prod',
  '!*.example.com',
  '&web*',
  'web[0]',
  'web[1]',
  'web[2]',
  'web[-1]',
  'web[-3]',
  'web[0:1]',
  'web[1:2]',
  'web[1:]',
  'web[0:]',
  'web[0:0]',
  'web[1:0]',
  'web[0:99]',
  'web[2:2]',
  'kube_node[3:5]',
  'kube_node[-2]',
  'kube_node[09]',
  'etcd[0]',
  'etcd[1:2]',
  'k8s_cluster[0]',
  'k8s_cluster[10:13]',
  'monitoring[0]',
  'monitoring[1:3]',
  'web*[3]',
  'web*[4]',
  'web*[-1]',
  'lb1[0]',
  'lb*[1]',
  'web[0:1:2]',
  'web[0]:lb1',
  'web[0],lb1',
  'k8s_cluster:!kube_node[0:3]',
  'kube_node:&etcd[2]',
  '!web[0]',
  '~web[12]',
  '~(web|db)\\d',
  '~.*\\.example\\.com$',
  '~node0[1-3]$',
  '~^lb',
  '~lb',
  '~(?i)NODE01',
  '~[^n]o',
  '~m.*\\d\\Z',
  '!~web.*',
  '~web|~db',
  '~w\\w+\\b',
  '~mon[^1]',
  '~no.e(?=1)',
  '~node(?!1)',
  'web,~lb\\d',
  '~k8s',
  '~all',
  'web[!12]',
  'web[^3]',
  '[a-m]*1',
  '[!a-v]*[0-2]*',
  'n[o-]de0[1]*',
  '~[a-o]+\\d{2}$',
  '~(a?){2}lb',
  '~.*1$',
  'node[0-0]1',
] as const;

/** Both refuse, or Ansible passes over something with a warning. */
const refused = [
  'nowhere',
  'LB1',
  'lb[12]',
  'web[13]',
  'lb',
  'web4',
  'x*',
  'lb[',
  'lb]',
  'web[3]',
  'web[-4]',
  'web[5:7]',
  'web[2:1]',
  'nope[0]',
  'empty',
  'empty[0]',
  'web,nope',
  'web:nope',
  '!nope',
  '&nope',
  'web:&empty',
  'web:!web',
  'web:&lb1',
  '!all',
  '!',
  '&',
  'web:!',
  '~(',
  '~*',
  '~a{2,1}',
  '~web[0]',
  '~nope',
  '~Web',
  'web[0],!web3',
  'web[a]',
  'web[0:-1]',
  'node0[1-3]',
  'n[o-]de0[1]',
  '[!a-v]*[0-2]x',
  '[::1]',
  '[::1]:2222',
  'web[:]',
  '~\\:\\:1',
  '~(?:lb){1}',
  'web[c-a]1',
  '@',
  'web[[0]]',
] as const;

/** Only we refuse: what Ansible does is a trap, or differs from run to run, or is more than JavaScript's regular expressions can do. */
const ours = [
  ['web[0-1]', 'write [0:1]'],
  ['k8s_cluster[0],prod[3]', 'no certain order'],
  ['all[7]', 'no certain order'],
  ['', 'names nothing'],
  [',', 'names nothing'],
  ['~(?P<n>web)', 'not supported'],
  ['~(.)\\1', 'not supported'],
  ['~l(?<=l)b', 'not supported'],
  ['~\\x6cb', 'not supported'],
  ['~[l\\W]b', 'not supported'],
  ['~(?>lb)', 'not supported'],
  ['web]', 'without its pair'],
  ['~[', 'without its pair'],
  ['[]n]ode01,lb1', 'without its pair'],
  ['localhost', 'no host and no group'],
  ['[!a-v]*[0-2]', 'write [0:2]'],
  ['web,empty', 'matches no host'],
] as const;

const limits = [...equal, ...refused, ...ours.map(([limit]) => limit)];
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

  it.each(ours)('%j is refused by us alone: %s', async (limit, reason) => {
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
    'choose the same hosts, or are refused by us; never is one refused that both could mean',
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
