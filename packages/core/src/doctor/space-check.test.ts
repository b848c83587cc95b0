import { describe, expect, it } from '@jest/globals';
import { healthyHost } from './healthy-host.test-support.js';
import { spaceFindings } from './space-check.js';

const { signal } = new AbortController();
const need = { host: 'host1', path: '/var/lib/prometheus/snapshots', bytes: 2 ** 20, why: 'a snapshot' };

/** A host with so many KiB free of 100 GiB. */
function withFree(kibibytes: number) {
  const line = `/dev/sda1 104857600 ${String(104857600 - kibibytes)} ${String(kibibytes)} 99% /var`;
  const stdout = `Filesystem 1024-blocks Used Available Capacity Mounted on\n${line}\n`;
  return healthyHost({ rules: [{ argv: /^sh -c path=\$1; until/, answer: { stdout } }] });
}

describe('space on a host', () => {
  it('is told where all is well', async () => {
    expect(await spaceFindings(withFree(50 * 2 ** 20), [need], signal)).toEqual([
      { check: 'space', status: 'ok', detail: '50 GiB free in /var/lib/lsbackup' },
    ]);
  });

  it('that does not suffice for what a unit needs fails, as the backup would', async () => {
    expect(await spaceFindings(withFree(1024), [need], signal)).toMatchObject([
      { status: 'failed', code: 'HOST_SPACE', detail: expect.stringContaining(need.path) },
      { status: 'ok' },
    ]);
  });

  it('where nothing can be recorded fails what must record, and is else a warning', async () => {
    expect(await spaceFindings(withFree(0), [], signal)).toMatchObject([
      { status: 'warning', code: 'HOST_SPACE', detail: expect.stringContaining('0 B free in /var/lib/lsbackup') },
    ]);
    expect((await spaceFindings(withFree(0), [need], signal)).at(-1)).toMatchObject({
      status: 'failed',
      remedy: 'Free space on the file system of /var/lib/lsbackup on host1.',
    });
  });
});
