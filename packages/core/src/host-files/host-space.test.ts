import { describe, expect, it } from '@jest/globals';
import { FakeHost, runHere } from '../testing/fake-host.js';
import { requireSpace, spaceCommand } from './host-space.js';

const gibibyte = 1024 ** 3;
const { signal } = new AbortController();

/** Asks for space on a file system of so many GiB. */
function ask(bytes: number, { size, free }: { readonly size: number; readonly free: number }): Promise<void> {
  const blocks = (gibibytes: number): string => String(Math.round(gibibytes * 1024 ** 2));
  const line = `/dev/mapper/a b ${blocks(size)} ${blocks(size - free)} ${blocks(free)} 92% /var/lib/prometheus data`;
  return askHost(`Filesystem 1024-blocks Used Available Capacity Mounted on\n${line}\n`, bytes);
}

function askHost(stdout: string, bytes: number): Promise<void> {
  const remote = new FakeHost({ name: 'mon1', rules: [{ argv: spaceCommand('/data/new').argv, answer: { stdout } }] });
  return requireSpace(remote, { host: 'mon1', path: '/data/new', bytes, why: 'a reason' }, signal);
}

describe('space on a host', () => {
  it.each([
    ['10 % of a large file system', 5, { size: 400, free: 44.5 }],
    ['2 GiB of a small one', 1, { size: 10, free: 2.9 }],
    ['2 GiB by one that writes next to nothing', 0.5, { size: 400, free: 2 }],
  ])('must be left: %s', async (_title, gibibytes, system) => {
    await expect(ask(gibibytes * gibibyte, system)).rejects.toMatchObject({
      code: 'HOST_SPACE',
      host: 'mon1',
      message: expect.stringContaining(`${system.free.toFixed(1)} GiB free of ${system.size.toFixed(1)} GiB`),
    });
  });

  it.each([
    ['enough is left of a large file system', 5, { size: 400, free: 45.5 }],
    ['enough is left of a small one', 1, { size: 10, free: 3.1 }],
    ['next to nothing is written on a disk that is 92 % full', 0.2, { size: 100, free: 8 }],
    ['next to nothing is written on a small disk that is 92 % full', 0.05, { size: 10, free: 0.8 }],
    ['nothing is written', 0, { size: 100, free: 0 }],
  ])('suffices where %s', async (_title, gibibytes, system) => {
    await expect(ask(gibibytes * gibibyte, system)).resolves.toBeUndefined();
  });

  it('is not judged where df does not tell', async () => {
    await expect(askHost('Filesystem\nfuse 0 0 0 - /data\n', gibibyte)).resolves.toBeUndefined();
    const deaf = new FakeHost({
      rules: [{ argv: /^sh -c/, answer: { status: 1, stderr: 'df: /data: Input/output error' } }],
    });
    const space = { host: 'mon1', path: '/data', bytes: gibibyte, why: 'a reason' };
    await expect(requireSpace(deaf, space, signal)).resolves.toBeUndefined();
  });

  it('is asked of the nearest directory that is there', async () => {
    const remote = new FakeHost({ rules: [{ argv: /^sh -c/, answer: runHere }] });
    const path = '/tmp/lsbackup is not there/nor this';
    const space = { host: 'mon1', path, bytes: 2 ** 60, why: 'a reason' };
    await expect(requireSpace(remote, space, signal)).rejects.toMatchObject({ code: 'HOST_SPACE' });
  });
});
