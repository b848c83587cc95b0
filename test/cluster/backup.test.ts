import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Metadata } from '@lsbackup/core';
import { containerId, feedHost, leftovers, onHost, shellOnHost } from '../support/cluster-host.js';
import { type Finished, jsonLines, lsbackup, must, temporaryDirectory } from '../support/lsbackup.js';
import { startWriters } from './writers.js';

jest.setTimeout(120_000);

const buildDirectory = 'test/cluster/build';
const hosts = ['lb1', 'lb2', 'db1', 'mq1', 'mon1', 'mon2'];

/** The first line of what `lsbackup extract` of one backup, taken while everything was being written to, is held against. */
describe('a backup of the real cluster under live writers', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let target: string;
  let extracted: string;
  let backup: Finished;
  let metadata: Metadata;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    target = join(directory.path, 'target');
    extracted = join(directory.path, 'extracted');
    await must('mkdir', target);
    const writers = await startWriters();
    backup = await lsbackup('-b', buildDirectory, '-t', target, '--json');
    await writers.stop();
    const [archive] = await readdir(target);
    await must('tar', '-xzf', join(target, archive ?? ''), '-C', directory.path, 'metadata.json');
    metadata = JSON.parse(await readFile(join(directory.path, 'metadata.json'), 'utf8')) as Metadata;
    expect(await lsbackup('extract', '-t', target, '--into', extracted)).toMatchObject({ status: 0 });
  }, 300_000);

  afterAll(async () => {
    await directory[Symbol.asyncDispose]();
  });

  function unit(component: string, name: string) {
    const found = metadata.components
      .find((entry) => entry.name === component)
      ?.units.find((entry) => entry.name === name);
    if (!found) throw new Error(`no unit ${name} of ${component} in metadata`);
    return found;
  }

  function databases() {
    return metadata.artifacts.filter((artifact) => artifact.format === 'pg-custom');
  }

  it('ends complete with exit status 0 and says so once', () => {
    expect(backup.status).toBe(0);
    const lines = jsonLines(backup.stdout);
    expect(lines.filter((line) => line.type === 'summary')).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ type: 'exit', code: 0 });
    expect(metadata.status).toBe('complete');
  });

  it('covers every host of every group, and names what it does not cover', () => {
    const units = metadata.components.flatMap(({ name, units: own }) =>
      own.map((entry) => `${name} ${entry.name} ${entry.status}`),
    );
    expect(units.sort()).toEqual([
      'alertmanager mon1 complete',
      'alertmanager mon2 complete',
      'haproxy lb1 complete',
      'haproxy lb2 complete',
      expect.stringMatching(/^postgresql .* complete$/),
      'prometheus mon1 complete',
      'prometheus mon2 complete',
      expect.stringMatching(/^rabbitmq .* complete$/),
    ]);
    expect(metadata.uncoveredGroups.sort()).toEqual(['image_registry', 'repository']);
    expect(metadata.hosts.map(({ name, reached }) => [name, reached])).toEqual(hosts.map((name) => [name, true]));
  });

  it('is listed, shown and verified', async () => {
    const list = await lsbackup('list', '-t', target);
    expect(list).toMatchObject({ status: 0, stdout: expect.stringContaining('complete') as unknown });
    const show = await lsbackup('show', '-t', target);
    expect(show).toMatchObject({ status: 0, stdout: expect.stringContaining('postgresql') as unknown });
    const verify = await lsbackup('verify', '-t', target, '--json');
    expect(jsonLines(verify.stdout).find((line) => line.type === 'summary')).toMatchObject({
      archives: [{ intact: true, unchecked: [] }],
    });
    expect(verify.status).toBe(0);
  }, 60_000);

  it('is read by plain tar and checked by sha256sum', async () => {
    const unpacked = join(directory.path, 'unpacked');
    const [archive] = await readdir(target);
    await must('mkdir', unpacked);
    await must('tar', '-xzf', join(target, archive ?? ''), '-C', unpacked);
    const checked = await must('sh', '-c', 'cd "$1" && sha256sum --quiet --strict -c SHA256SUMS', 'sh', unpacked);
    expect(checked).toBe('');
  }, 60_000);

  it('has dumps of every database that pg_restore reads to their end', async () => {
    const names = (
      await shellOnHost(
        'db1',
        `su postgres -c "psql -XAtc \\"SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template0'\\""`,
      )
    )
      .trim()
      .split('\n');
    expect(
      databases().map((artifact) => artifact.original ?? artifact.path.replace(/.*database-(.*)\.dump$/, '$1')),
    ).toHaveLength(names.length);
    for (const { path } of databases()) await feedHost('db1', join(extracted, path), 'pg_restore', '-f', '/dev/null');
  }, 120_000);

  it('has dumps whose rows are those counted in the same snapshot', async () => {
    const { path } = databases().find((artifact) => artifact.path.endsWith('database-app.dump'))!;
    await shellOnHost(
      'db1',
      'su postgres -c "dropdb --if-exists restored_app" && su postgres -c "createdb -T template0 restored_app"',
    );
    try {
      await feedHost(
        'db1',
        join(extracted, path),
        'su',
        'postgres',
        '-c',
        'pg_restore --exit-on-error -d restored_app',
      );
      const counts = await shellOnHost(
        'db1',
        `su postgres -c "psql -XAt -d restored_app -c 'SELECT count(*) FROM public.written_live'"`,
      );
      expect(Number(counts)).toBeGreaterThan(0);
      expect(JSON.stringify(unit('postgresql', 'db1').baseline)).toContain(`"public.written_live":${counts.trim()}`);
    } finally {
      await shellOnHost('db1', 'su postgres -c "dropdb --if-exists restored_app"');
    }
  }, 120_000);

  it('has the roles with their passwords, and no password anywhere but in the dump', async () => {
    const globals = await readFile(join(extracted, 'postgresql/db1/globals.sql'), 'utf8');
    expect(globals).toMatch(/ALTER ROLE app_owner .*PASSWORD 'SCRAM-SHA-256\$/);
    expect(JSON.stringify(metadata)).not.toMatch(/SCRAM-SHA-256\$|md5[0-9a-f]{32}|BEGIN [A-Z ]*PRIVATE KEY/);
    expect(backup.stdout).not.toMatch(/SCRAM-SHA-256\$|md5[0-9a-f]{32}|BEGIN [A-Z ]*PRIVATE KEY/);
  });

  it.each(['lb1', 'lb2'])('has /etc/haproxy of %s byte for byte', async (host) => {
    const unpacked = join(directory.path, `unpacked-${host}`);
    await must('mkdir', unpacked, `${unpacked}/backup`, `${unpacked}/host`);
    await must('tar', '-xf', join(extracted, `haproxy/${host}/config.tar`), '-C', `${unpacked}/backup`);
    await must(
      'bash',
      '-o',
      'pipefail',
      '-c',
      `docker exec "$1" tar -C / -cf - etc/haproxy etc/ssl/haproxy | tar -xf - -C "$2"`,
      'bash',
      await containerId(host),
      `${unpacked}/host`,
    );
    for (const tree of ['etc/haproxy', 'etc/ssl/haproxy'])
      expect(
        await must('diff', '-r', '--no-dereference', `${unpacked}/host/${tree}`, `${unpacked}/backup/${tree}`),
      ).toBe('');
  });

  it('has the definitions of RabbitMQ as JSON, equal to those of the broker', async () => {
    const saved = JSON.parse(await readFile(join(extracted, 'rabbitmq/mq1/definitions.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const live = JSON.parse(
      await onHost('mq1', 'rabbitmqctl', 'export_definitions', '-', '--format', 'json', '--silent'),
    ) as Record<string, unknown>;
    for (const kind of ['users', 'vhosts', 'permissions', 'policies', 'exchanges', 'bindings'])
      expect(sorted(saved[kind])).toEqual(sorted(live[kind]));
    expect(saved.vhosts).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'odd/vhost %41 ünï' })]));
  });

  it.each(['mon1', 'mon2'])(
    'has a Prometheus snapshot of %s that promtool lists',
    async (host) => {
      const list = `d=$(mktemp -d) && tar -xf - -C "$d" && find "$d" -name index | head -1 | grep -q . && promtool tsdb list "$(dirname "$(dirname "$(find "$d" -name index | head -1)")")" && rm -rf "$d"`;
      const blocks = await feedHost(
        host,
        join(extracted, `prometheus/${host}/tsdb.tar`),
        'bash',
        '-euo',
        'pipefail',
        '-c',
        list,
      );
      expect(blocks.trim().split('\n').length).toBeGreaterThan(1);
    },
    60_000,
  );

  it.each(['mon1', 'mon2'])('has the silences of %s', async (host) => {
    const silences = JSON.parse(await readFile(join(extracted, `alertmanager/${host}/silences.json`), 'utf8')) as {
      status: { state: string };
    }[];
    expect(silences.map(({ status }) => status.state).sort()).toEqual(['active', 'expired', 'pending']);
  });

  it('says of every artifact by hand, in RESTORE.txt, how to get it, and that works', async () => {
    const [archive = ''] = await readdir(target);
    const text = join(directory.path, 'RESTORE.txt');
    await must('tar', '-xzf', join(target, archive), '-C', directory.path, 'RESTORE.txt');
    const largest = metadata.artifacts.find((artifact) => artifact.parts > 1)!;
    for (const { path, sha256 } of metadata.artifacts)
      expect(await readFile(text, 'utf8')).toContain(`\n    check ${path} ${sha256}\n`);
    const commands = `sed -n '/^2 /,/^4 /s/^    //p' "$1" > "$1.sh" && . "$1.sh" && artifact "$2" | sha256sum`;
    const environment = `ARCHIVE=${join(target, archive)}`;
    expect(await must('env', environment, 'sh', '-c', commands, 'sh', text, largest.path)).toBe(
      `${largest.sha256}  -\n`,
    );
  });

  it.each(hosts)('leaves nothing on %s', async (host) => {
    expect(await leftovers(host)).toEqual([]);
  });

  it('gives two backups at once two archives', async () => {
    const both = await temporaryDirectory();
    const runs = await Promise.all([1, 2].map(() => lsbackup('-b', buildDirectory, '-t', both.path)));
    expect(runs.map(({ status }) => status)).toEqual([0, 0]);
    const archives = await readdir(both.path);
    expect(archives).toHaveLength(2);
    for (const archive of archives)
      expect(await lsbackup('verify', '-t', both.path, archive)).toMatchObject({ status: 0 });
    await both[Symbol.asyncDispose]();
  }, 180_000);
});

function sorted(list: unknown): string[] {
  return (list as unknown[]).map((entry) => JSON.stringify(entry)).sort();
}
