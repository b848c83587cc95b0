import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type CleanHost, startCleanHost } from '../support/clean-host.js';
import { onHost } from '../support/cluster-host.js';
import { type Finished, lsbackup, root, temporaryDirectory } from '../support/lsbackup.js';

jest.setTimeout(120_000);

const work = '/root/by-hand';
const environment = { ARCHIVE: `${work}/archive.tar.gz` };
const state = await readFile(join(root, 'test/support/postgresql-state.sql'), 'utf8');
const stateOfAll = `cd / && runuser -u postgres -- psql -XAtc "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template0' ORDER BY datname" |
while IFS= read -r name; do
  runuser -u postgres -- psql -Xq -d "$name" -f - <<'END' || exit 1
${state}
END
done`;
const filesOfHaproxy = `cd / && find etc/haproxy etc/ssl/haproxy etc/default/haproxy -printf '%p %M %U %G %l\\n' | sort && find etc/haproxy etc/ssl/haproxy etc/default/haproxy -type f -exec sha256sum {} + | sort`;

/** A host that has PostgreSQL and HAProxy as their packages make them, no Node and no lsbackup; and of lsbackup one archive. */
describe('an archive and RESTORE.txt alone', () => {
  const opened: AsyncDisposable[] = [];
  let host: CleanHost;
  let saved: { readonly postgresql: string; readonly haproxy: string };
  let headings: readonly string[];

  beforeAll(async () => {
    const directory = await temporaryDirectory();
    opened.push(directory);
    const backup = ['-b', 'test/cluster/build', '-t', directory.path, '--limit', 'lb1,db1'];
    expect(await lsbackup(...backup)).toMatchObject({ status: 0 });
    const [archive = ''] = await readdir(directory.path);
    saved = {
      postgresql: await onHost('db1', 'sh', '-c', stateOfAll),
      haproxy: await onHost('lb1', 'sh', '-c', filesOfHaproxy),
    };
    host = await startCleanHost(['haproxy.service', 'postgresql.service']);
    opened.push(host);
    await host.sh(`mkdir ${work}`);
    await host.put(join(directory.path, archive), `${work}/archive.tar.gz`);
  }, 300_000);

  afterAll(async () => {
    for (const each of opened) await each[Symbol.asyncDispose]();
  });

  /** Runs the commands of these sections as the text says: cut out by its own `commands`, unchanged. */
  function run(...sections: readonly string[]): Promise<Finished> {
    const script = `cd ${work} && sed -n '/^1 /q;s/^    commands() /commands() /p' RESTORE.txt > cut.sh && . ./cut.sh && commands ${sections.join(' ')} > restore.sh && test -s restore.sh && sh restore.sh`;
    return host.sh(script, environment);
  }

  function section(title: string): string {
    const found = headings.filter((heading) => heading.endsWith(title));
    if (found.length !== 1) throw new Error(`${String(found.length)} sections end in ${title}`);
    return found[0]!.split(' ')[0]!;
  }

  it('has a host to begin with that has no Node, and none of what was saved', async () => {
    const { stdout } = await host.sh(
      'command -v node; command -v nodejs; command -v lsbackup; cat /etc/haproxy/haproxy.cfg',
    );
    expect(stdout).toMatch(/^global\n/);
    expect(stdout).not.toContain('lb1.example.test');
    expect((await host.sh(stateOfAll)).stdout).not.toContain('app');
  });

  it('is unpacked and checked by the commands at its beginning', async () => {
    const preamble = `cd ${work} && tar -xzOf archive.tar.gz RESTORE.txt | sed -n '/^1 /q;s/^    //p' > begin.sh && sh begin.sh`;
    const begun = await host.sh(preamble, environment);
    expect(begun).toMatchObject({ status: 0, stderr: '' });
    expect(begun.stdout.trimEnd().split('\n')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^postgresql\/db1\/database-bulk\.dump\.part-000000002: OK$/)]),
    );
    expect(begun.stdout.replaceAll(/: OK\n/g, '')).not.toMatch(/FAILED/);
    headings = (await host.sh(`grep '^4\\.' ${work}/RESTORE.txt`)).stdout.trimEnd().split('\n');
  });

  it('puts HAProxy back byte for byte, and saves what was there', async () => {
    const { status, stderr, stdout } = await run('2', section('configuration and certificates of haproxy'));
    expect({ status, stderr: stderr.replaceAll(/^\[NOTICE\].*\n/gm, '') }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('haproxy/lb1/config.tar: OK\n');
    expect(stdout).toMatch(/^(active|reloading)$/m);
    const files = (await host.sh(filesOfHaproxy)).stdout.split('\n');
    for (const line of saved.haproxy.trimEnd().split('\n')) expect(files).toContain(line);
    expect(await host.sh('haproxy -c -f /etc/haproxy/haproxy.cfg')).toMatchObject({ status: 0 });
    expect((await host.sh('curl -sk --resolve lb1.example.test:443:127.0.0.1 https://lb1.example.test/')).stdout).toBe(
      '<h1>lb1: no server</h1>\n',
    );
    const old = await host.sh(`tar -xOf ${work}/old-haproxy-lb1-config.tar-*.tar etc/haproxy/haproxy.cfg`);
    expect(old.stdout).toMatch(/^global\n/);
    expect(old.stdout).not.toContain('lb1.example.test');
  });

  it('puts the old files back where haproxy does not take the new ones', async () => {
    const broken = `echo '# of today' >> /etc/haproxy/haproxy.cfg && mv /usr/sbin/haproxy /root/haproxy && printf '#!/bin/sh\\nexit 1\\n' > /usr/sbin/haproxy && chmod 755 /usr/sbin/haproxy`;
    expect(await host.sh(broken)).toMatchObject({ status: 0 });
    const refused = await run('2', section('configuration and certificates of haproxy'));
    expect(refused).toMatchObject({ status: 1, stderr: 'the old files are back\n' });
    expect((await host.sh('tail -n 1 /etc/haproxy/haproxy.cfg')).stdout).toBe('# of today\n');
    expect(await host.sh('mv /root/haproxy /usr/sbin/haproxy')).toMatchObject({ status: 0 });
  });

  it('puts PostgreSQL back: rows, large objects, roles, rights, sequences of every database', async () => {
    const own = headings.filter((heading) => / db1: (roles and tablespaces|database |statistics)/.test(heading));
    expect(own.length).toBeGreaterThan(9);
    for (const heading of own)
      expect({ heading, ...(await run('2', heading.split(' ')[0]!)) }).toMatchObject({
        heading,
        status: 0,
        stderr: '',
      });
    const { stdout, stderr } = await host.sh(stateOfAll);
    expect(stderr).toBe('');
    expect(stdout).toContain('rows of public.measurement|8000|');
    expect(stdout).toBe(saved.postgresql);
  });

  it('does the same again, and keeps each database that was there', async () => {
    await host.sh(`cd / && runuser -u postgres -- psql -Xqd app -c 'DROP TABLE shop.orders CASCADE'`);
    for (const title of [
      'roles and tablespaces of PostgreSQL',
      ': database app',
      ': database with space/slash%percent',
    ])
      expect(await run('2', section(title))).toMatchObject({ status: 0, stderr: '' });
    const kept = `cd / && runuser -u postgres -- psql -XAtc "SELECT count(*) FROM pg_database WHERE datname ~ '^replaced_[0-9]+$'"`;
    expect((await host.sh(kept)).stdout).toBe('2\n');
    const rest = `cd / && for name in $(runuser -u postgres -- psql -XAtc "SELECT datname FROM pg_database WHERE datname ~ '^replaced_'"); do runuser -u postgres -- dropdb "$name"; done`;
    expect(await host.sh(rest)).toMatchObject({ status: 0 });
    expect((await host.sh(stateOfAll)).stdout).toBe(saved.postgresql);
  });

  it('loads a database beside the one that is there, and swaps the two', async () => {
    const rows = (database: string) =>
      host.sh(`cd / && runuser -u postgres -- psql -XAtd ${database} -c 'SELECT count(*) FROM shop.orders'`);
    await host.sh(`cd / && runuser -u postgres -- psql -Xqd app -c 'DELETE FROM shop.orders'`);
    const chosen = { ...environment, DATABASE: 'app', DUMP: 'postgresql/db1/database-app.dump' };
    const both = [
      'one database beside the one that is there, which stays in use',
      'in the place of the one that is there',
    ];
    const cut = `cd ${work} && . ./cut.sh && commands 2`;
    expect(await host.sh(`${cut} ${section(both[0]!)} | sh`, chosen)).toMatchObject({ status: 0, stderr: '' });
    expect([(await rows('app')).stdout, (await rows('loaded')).stdout]).toEqual(['0\n', '20000\n']);
    expect(await host.sh(`${cut} ${section(both[1]!)} | sh`, chosen)).toMatchObject({ status: 0, stderr: '' });
    expect((await rows('app')).stdout).toBe('20000\n');
  });

  it('refuses an artifact that is not what was saved, before anything is done', async () => {
    await host.sh(
      `cd ${work} && cp -a unpacked damaged && printf x | dd conv=notrunc bs=1 seek=5 of=damaged/postgresql/db1/database-bulk.dump.part-000000002`,
    );
    const cut = `cd ${work} && . ./cut.sh && commands 2 ${section(': database bulk')} | sh`;
    const refused = await host.sh(cut, { ...environment, UNPACKED: `${work}/damaged` });
    expect(refused).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('do not use it') as unknown,
    });
    await host.sh(`rm ${work}/damaged/postgresql/db1/database-bulk.dump.parts`);
    const incomplete = await host.sh(cut, { ...environment, UNPACKED: `${work}/damaged` });
    expect(incomplete).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('not complete') as unknown,
    });
  });

  it('is read without being unpacked', async () => {
    await host.sh(`mv ${work}/unpacked ${work}/away`);
    expect(await run('2', '3', section(': database latin1'))).toMatchObject({ status: 0, stderr: '' });
    const bulk = `cd ${work} && . ./cut.sh && { commands 2 3; commands ${section(': database bulk')} | grep '^check '; } | sh`;
    expect(await host.sh(bulk, environment)).toMatchObject({
      status: 0,
      stdout: 'postgresql/db1/database-bulk.dump: OK\n',
      stderr: '',
    });
    await host.sh(`mv ${work}/away ${work}/unpacked`);
  });

  it('is unpacked, checked and joined by busybox alone', async () => {
    const script = `mkdir ${work}/busybox && cd ${work}/busybox && mkdir bin run && busybox --install -s ${work}/busybox/bin && export PATH=${work}/busybox/bin && cd run &&
      tar -xzOf "$ARCHIVE" RESTORE.txt | sed -n '/^1 /q;s/^    //p' > begin.sh && sh begin.sh > checked && sed -n '/^1 /q;s/^    commands() /commands() /p' RESTORE.txt > cut.sh && . ./cut.sh &&
      { commands 2; commands ${section(': database bulk')} | grep '^check '; } > check.sh && sh check.sh`;
    const { status, stdout, stderr } = await host.sh(script, environment);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: 'postgresql/db1/database-bulk.dump: OK\n',
      stderr: '',
    });
  });

  it('is unpacked for one host alone, as the page about it says', async () => {
    const page = await readFile(join(root, 'docs/restore-by-hand.md'), 'utf8');
    const [commands = ''] = /^ {4}mkdir -m 700 unpacked\n(?: {4}.*\n)+/m.exec(page) ?? [];
    const one = await host.sh(
      `mkdir ${work}/one && cd ${work}/one && set -e\n${commands}find unpacked -type d`,
      environment,
    );
    expect(one).toMatchObject({ status: 0, stderr: '' });
    expect(one.stdout).toMatch(/^postgresql\/db1\/globals\.sql: OK$/m);
    expect(one.stdout).not.toContain('FAILED');
    expect(one.stdout).toMatch(/\nunpacked\nunpacked\/postgresql\nunpacked\/postgresql\/db1\n$/);
  });

  it('leaves no secret of the roles in what its commands print', async () => {
    const { stdout, stderr } = await run('2', section('roles and tablespaces of PostgreSQL'));
    expect(stdout + stderr).not.toMatch(/SCRAM-SHA-256|md5[0-9a-f]{32}/);
  });
});
