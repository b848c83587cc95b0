import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadCluster } from '../load-cluster.js';
import { readManifest } from './manifest.js';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-manifest-'));
  file = join(directory, 'manifest.yml');
});
afterEach(() => rm(directory, { recursive: true }));

const cluster = (name: string, kind = 'lambdastack-cluster'): string =>
  `---\nkind: ${kind}\nname: default\nspecification:\n  name: ${name}\n  admin_user: { name: admin }\n`;

describe('manifest.yml', () => {
  it.each([
    ['of LambdaStack', cluster('prod-1'), 'prod-1'],
    ['of Epiphany', cluster('prod-1', 'epiphany-cluster'), 'prod-1'],
    [
      'among other documents',
      `kind: configuration/haproxy\nspecification: { name: other }\n${cluster('prod-1')}`,
      'prod-1',
    ],
    ['with a number', cluster('12'), '12'],
    ['with keys that come twice', `${cluster('one')}  name: two\n`, 'two'],
    ['of another program', 'resources:\n  name: x\n', undefined],
    ['without a name', 'kind: lambdastack-cluster\nspecification: {}\n', undefined],
    ['with a name that is none', cluster('[a]'), undefined],
    ['with an empty name', cluster('""'), undefined],
    ['without a specification', 'kind: lambdastack-cluster\n', undefined],
    ['that is empty', '', undefined],
  ])('%s', async (_title, text, clusterName) => {
    await writeFile(file, text);
    expect(await readManifest(directory)).toEqual({ clusterName, warnings: [] });
  });

  it('may be missing, or be something else', async () => {
    expect(await readManifest(directory)).toEqual({ clusterName: undefined, warnings: [] });
    await mkdir(file);
    expect(await readManifest(directory)).toEqual({ clusterName: undefined, warnings: [] });
  });

  it('that cannot be read is a warning, which shows nothing of it', async () => {
    await writeFile(file, `${cluster('prod')}password: "S3cret\n`);
    expect(await readManifest(directory)).toEqual({
      clusterName: undefined,
      warnings: [
        `${file}:8: a bracket, a quote, a comma or a ":" is missing; the cluster's name is not taken from there`,
      ],
    });
    await writeFile(file, 'a: b\nc: [S3cret\n');
    expect((await readManifest(directory)).warnings).toEqual([
      `${file}:3: the indentation does not fit the lines before; the cluster's name is not taken from there`,
    ]);
    await writeFile(file, Buffer.from([0xff]));
    expect((await readManifest(directory)).warnings).toEqual([
      `cannot read ${file}: it is no UTF-8 text; the cluster's name is not taken from there`,
    ]);
  });

  it('names the cluster unless the caller does', async () => {
    await writeFile(join(directory, 'inventory'), '[haproxy]\nlb1\n');
    await writeFile(file, cluster('prod-1'));
    const options = { source: directory, user: { name: 'me', homeDirectory: '/home/me' } };
    expect(await loadCluster(options)).toMatchObject({ name: 'prod-1', warnings: [] });
    expect(await loadCluster({ ...options, source: join(directory, 'inventory') })).toMatchObject({ name: 'prod-1' });
    expect(await loadCluster({ ...options, name: 'mine' })).toMatchObject({ name: 'mine' });
    await writeFile(file, '{lambdastack-cluster');
    expect((await loadCluster(options)).warnings).toEqual([expect.stringContaining(`${file}:1: `)]);
  });
});
