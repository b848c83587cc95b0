import { expect, it } from '@jest/globals';
import { silentLogger } from '../../model/logger.js';
import type { UnitRecord } from '../../model/metadata.js';
import { FakeHost } from '../../testing/fake-host.js';
import type { RestoreContext, Step } from '../restore.js';
import { haproxyOptions, type HaproxyOptions } from './options.js';
import { restore } from './restore.js';

const show = (state: string): string =>
  `Id=haproxy.service\nLoadState=loaded\nActiveState=${state}\nMainPID=0\nExecStart={ path=/x/haproxy ; argv[]=/x/haproxy -f /etc/haproxy/haproxy.cfg ; ignore_errors=no ; }\n`;

interface Planned {
  readonly steps: readonly Step[];
  readonly warnings: readonly string[];
}

async function plan(
  roots: readonly string[],
  { archived = 'active', now = 'active', load = 'loaded' } = {},
): Promise<Planned> {
  const remote = new FakeHost({
    name: 'lb1',
    rules: [
      { argv: /^systemctl show --property=LoadState/, answer: { stdout: `${load}\n` } },
      { argv: /^systemctl show/, answer: { stdout: load === 'masked' ? '' : show(now) } },
      { argv: /haproxy -v$/, answer: { stdout: 'HAProxy version 2.6.12 x\n' } },
      { argv: /^sh -c while/, answer: (_command, input) => ({ stdout: input }) },
    ],
  });
  const warnings: string[] = [];
  const context: RestoreContext<HaproxyOptions> = {
    runId: 'run',
    target: () => remote.host,
    optionsFor: () => haproxyOptions.parse({}),
    remote: () => Promise.resolve(remote),
    selected: () => undefined,
    read: () => Promise.reject(new Error('not read')),
    surveyTar: () => Promise.resolve({ roots, entries: roots.length, bytes: 1 }),
    moved: [],
    report: () => undefined,
    warn: ({ message }) => warnings.push(message),
    signal: new AbortController().signal,
    log: silentLogger,
  };
  const unit: UnitRecord = {
    name: 'lb1',
    hosts: ['lb1'],
    status: 'complete',
    containsSecrets: true,
    warnings: [],
    product: { name: 'HAProxy', version: '2.6.12', detectedBy: '' },
    roles: { service: 'haproxy.service', state: archived },
    identity: { configurationFiles: ['/etc/haproxy/haproxy.cfg'] },
  };
  const steps = await restore(context, { component: 'haproxy', unit, artifacts: [], failed: [] });
  return { steps, warnings };
}

it('replaces whole only what is its own, warns of what others may use, and leaves the system alone', async () => {
  const own = ['etc/default/haproxy', 'etc/haproxy', 'etc/rsyslog.d/49-haproxy.conf', 'etc/ssl/haproxy'];
  const { steps, warnings } = await plan([
    ...own,
    'etc/passwd',
    'etc/ssl/private',
    'lib/systemd/system/haproxy.service',
  ]);
  expect(steps[1]?.params).toMatchObject({ roots: [...own, 'etc/ssl/private'], shared: ['etc/ssl/private'] });
  expect(steps[2]?.params).toMatchObject({ roots: [...own, 'etc/ssl/private'] });
  expect(warnings).toEqual([
    expect.stringMatching(/stay as they are: \/etc\/passwd$/),
    expect.stringMatching(/replaces what is there .*: \/etc\/ssl\/private$/),
  ]);
});

it('shows no more names than people read', async () => {
  const { steps } = await plan(Array.from({ length: 3500 }, (_, index) => `srv/live/${String(index)}.pem`));
  for (const { title, preview } of steps) expect(title.length + preview.join('').length).toBeLessThan(1000);
});

it('plans what it does with the service', async () => {
  const last = async (states: Parameters<typeof plan>[1]): Promise<string | undefined> =>
    (await plan(['etc/haproxy'], states)).steps[2]?.preview.slice(2).join();
  expect(await last({ archived: 'active', now: 'active' })).toBe('systemctl reload haproxy.service');
  expect(await last({ archived: 'inactive', now: 'active' })).toBe('systemctl reload haproxy.service');
  expect(await last({ archived: 'active', now: 'inactive' })).toBe('systemctl start haproxy.service');
  expect(await last({ archived: 'inactive', now: 'inactive' })).toBe('');
});

it('refuses a masked service', async () => {
  await expect(plan(['etc/haproxy'], { load: 'masked' })).rejects.toMatchObject({
    code: 'RESTORE_REFUSED',
    hint: expect.stringContaining('unmask') as unknown,
  });
});
