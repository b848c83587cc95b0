import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { onHost, shellOnHost } from '../support/cluster-host.js';
import { jsonLines, lsbackup, root, startProgram, temporaryDirectory } from '../support/lsbackup.js';

jest.setTimeout(180_000);

const hosts = ['lb1', 'db1'];
const launcher = join(root, 'packages/cli/bin/lsbackup.cjs');
const bigDirectory = '/srv/no-temporary-files';
const bigBytes = 96 * 1024 * 1024;

/**
 * Leaves no room on a host: its directories are read-only except where PostgreSQL and logs live, and what lies in memory is full but for
 * what logins, locks and PostgreSQL's shared memory need. (`/` itself cannot be made read-only while a log is open for writing, so each directory in it is.)
 */
const seal = `
places=/run/sealed-places
over() { mount "$@" && echo "\${!#}" >> $places; }
for place in /etc /home /opt /root /srv /usr /var; do
  over --bind $place $place
  mount -o remount,bind,ro $place
done
for place in /var/lib/postgresql /var/log; do
  [ -d $place ] || continue
  over --bind $place $place
  mount -o remount,bind,rw $place
done
for place in /tmp /var/tmp; do
  over -t tmpfs -o size=4k,mode=1777 tmpfs $place
  head -c 4096 /dev/zero > $place/full
done
mount -o remount,size=$(( $(df --output=used --block-size=1K /run | tail -n 1) + 64 ))k /run`;

const unseal = `
mount -o remount,size=50% /run
[ -f /run/sealed-places ] || exit 0
tac /run/sealed-places | while read -r place; do umount --lazy "$place"; done
rm /run/sealed-places`;

/** Runs its arguments where nothing but $TARGET can be written to. */
const onlyTarget = `
while read -r _ place type _; do
  case $type in ext*|xfs|btrfs|overlay|tmpfs) mount -o remount,bind,ro "$place" 2> /dev/null || true ;; esac
done < <(cat /proc/mounts)
mount --bind "$TARGET" "$TARGET"
mount -o remount,bind,rw "$TARGET"
for place in /tmp /var/tmp /dev/shm "$HOME" "$PWD"; do
  if touch "$place/no-temporary-files" 2> /dev/null; then echo "$place can be written to"; exit 99; fi
done
exec "$@"`;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
  await shellOnHost(
    'lb1',
    `mkdir -p ${bigDirectory} && head -c ${bigBytes} /dev/urandom > ${bigDirectory}/big && cp -a ${bigDirectory}/big ${bigDirectory}/again`,
  );
  for (const host of hosts) await shellOnHost(host, seal);
});

afterEach(async () => {
  for (const host of hosts) await shellOnHost(host, unseal);
  await shellOnHost('lb1', `rm -rf ${bigDirectory}`);
  await directory[Symbol.asyncDispose]();
});

it('spools nothing: a backup is complete where neither the hosts nor the controller can write a file', async () => {
  for (const host of hosts) {
    for (const place of ['/home/admin', '/var/lib', '/root'])
      await expect(onHost(host, 'touch', `${place}/file`)).rejects.toThrow('Read-only file system');
    for (const place of ['/tmp', '/var/tmp', '/run'])
      await expect(onHost(host, 'dd', 'if=/dev/zero', `of=${place}/file`, 'bs=64k', 'count=2')).rejects.toThrow(
        'No space left on device',
      );
    await onHost(host, 'rm', '-f', '/run/file');
  }
  const inventory = join(directory.path, 'inventory');
  const text = await readFile(join(root, 'test/cluster/build/inventory'), 'utf8');
  await writeFile(
    inventory,
    text.replace('lb1 ansible_host=172.28.0.11', `$& lsbackup_haproxy_paths='["${bigDirectory}"]'`),
  );
  const target = join(directory.path, 'target');
  await startProgram('mkdir', [target]).finished;

  const run = startProgram(
    'unshare',
    ['--mount', 'bash', '-euo', 'pipefail', '-c', onlyTarget, 'bash', process.execPath, launcher].concat([
      '-b',
      inventory,
      '-t',
      target,
      '--only',
      'haproxy@lb1,postgresql',
      '--json',
    ]),
    { TARGET: target, TMPDIR: join(directory.path, 'elsewhere') },
  );
  const seen = new Set<string>();
  while (run.child.exitCode === null && run.child.signalCode === null) {
    for (const name of await readdir(target)) seen.add(name);
    await sleep(20);
  }

  const { status, stdout, stderr } = await run.finished;
  expect({ status, stderr: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, stderr: '' });
  // The one database that accepts no connections; no warning of a lock or a place that could not be written to.
  const warnings = jsonLines(stdout).filter(({ type }) => type === 'warning');
  expect(warnings.map(({ code }) => code)).toEqual(['DATABASE_SKIPPED']);
  // The archive under its temporary name is the one file that grows, and nothing but the archive is left.
  expect([...seen].filter((name) => name.endsWith('.partial'))).toHaveLength(1);
  expect(
    [...seen].filter((name) => !/^\.?lsbackup-.*\.tar\.gz(\.claim|\.[0-9a-f]{16}\.(partial|new))?$/.test(name)),
  ).toEqual([]);
  const left = await readdir(target);
  expect(left).toEqual([expect.stringMatching(/^lsbackup-.*\.tar\.gz$/)]);
  expect(await lsbackup('verify', '-t', target)).toMatchObject({ status: 0 });
});
