import { describe, expect, it } from '@jest/globals';
import type { Host } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import type { RemoteHost } from '../remote/remote-host.js';
import { createMemoryStore } from '../stores/memory.js';
import type { Store } from '../stores/store.js';
import { smallCluster, smallComponent, smallUnit } from '../testing/small-component.js';
import type { Check, Diagnosis } from './diagnosis.js';
import { doctor, type DoctorOptions } from './doctor.js';
import { healthyHost } from './healthy-host.test-support.js';

const user = { name: 'admin', homeDirectory: '/home/admin' };

function diagnose(hosts: readonly string[], options: Partial<DoctorOptions> = {}): Promise<Diagnosis> {
  return doctor({
    cluster: smallCluster(hosts),
    user,
    components: [smallComponent('small')],
    connect: ({ name }) => Promise.resolve(healthyHost({ name })),
    ...options,
  });
}

function toTarget(store: Store): Pick<DoctorOptions, 'target'> {
  return { target: { name: 'target', open: () => Promise.resolve(store) } };
}

function named({ checks }: Diagnosis, subject: Partial<Record<string, string>>): Record<string, Check['status']> {
  const own = checks.filter((check) =>
    Object.entries(subject).every(([key, value]) => Reflect.get(check.subject, key) === value),
  );
  return Object.fromEntries(own.map(({ check, status }) => [check, status]));
}

function unreachable({ name }: Host): Promise<never> {
  return Promise.reject(
    new BackupError('HOST_UNREACHABLE', `${name}: cannot connect to 192.0.2.1 port 22: no answer`, {
      host: name,
      hint: 'Check that the host is up.',
    }),
  );
}

describe('doctor', () => {
  it('finds nothing where nothing is wrong, has every check once, and leaves nothing at the target', async () => {
    const store = createMemoryStore({ capacity: 2 ** 20 });
    const diagnosis = await diagnose(['a', 'b'], toTarget(store));
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(diagnosis).toMatchObject({ cluster: 'test', status: 'ok' });
    expect(Object.keys(named(diagnosis, { kind: 'controller' }))).toEqual([
      'node',
      'native-crypto',
      'ssh',
      'agent',
      'user',
    ]);
    const ofHosts = [
      'reach',
      'host-key',
      'login',
      'become',
      'os',
      'commands',
      'clock',
      'tar',
      'tools',
      'leftovers',
      'forwarding',
      'sessions',
      'space',
    ];
    for (const host of ['a', 'b']) expect(Object.keys(named(diagnosis, { kind: 'host', host }))).toEqual(ofHosts);
    expect(Object.keys(named(diagnosis, { kind: 'target' }))).toEqual([
      'exists',
      'write',
      'publish',
      'read',
      'list',
      'remove',
      'space',
    ]);
    expect(named(diagnosis, { kind: 'component', component: 'small', unit: 'b' })).toEqual({ discovery: 'ok' });
    for await (const entry of store.list('')) expect(entry).toBeUndefined();
  });

  it('goes on with the others where a host cannot be reached, and tells it once with its remedy', async () => {
    const diagnosis = await diagnose(['a', 'b'], {
      connect: (host) => (host.name === 'a' ? unreachable(host) : Promise.resolve(healthyHost({ name: host.name }))),
    });
    expect(diagnosis.status).toBe('failed');
    expect(diagnosis.checks.filter(({ status }) => status === 'failed')).toEqual([
      {
        subject: { kind: 'host', host: 'a' },
        check: 'reach',
        status: 'failed',
        code: 'HOST_UNREACHABLE',
        detail: 'cannot connect to 192.0.2.1 port 22: no answer',
        remedy: 'Check that the host is up.',
      },
    ]);
    expect(named(diagnosis, { kind: 'component', unit: 'a' })).toEqual({ discovery: 'skipped' });
    expect(named(diagnosis, { kind: 'component', unit: 'b' })).toEqual({ discovery: 'ok' });
    expect(Object.values(named(diagnosis, { kind: 'host', host: 'b' }))).not.toContain('failed');
  });

  it('goes on with the others where the inventory gives a host no way that can be gone', async () => {
    const cluster = smallCluster(['a', 'b']);
    const refusal = new BackupError('INVENTORY_UNSUPPORTED', 'a: by winrm', { host: 'a', hint: 'Do.' });
    const hosts = cluster.hosts.map((host) => (host.name === 'a' ? { ...host, refusal } : host));
    const diagnosis = await diagnose(['a', 'b'], { cluster: { ...cluster, hosts } });
    expect(diagnosis.checks.filter(({ status }) => status === 'failed')).toEqual([
      {
        subject: { kind: 'host', host: 'a' },
        check: 'connection',
        status: 'failed',
        code: 'INVENTORY_UNSUPPORTED',
        detail: 'by winrm',
        remedy: 'Do.',
      },
    ]);
    expect(named(diagnosis, { kind: 'component', unit: 'a' })).toEqual({ discovery: 'skipped' });
    expect(Object.values(named(diagnosis, { kind: 'host', host: 'b' }))).not.toContain('failed');
  });

  it('is no error where no host can be reached', async () => {
    await expect(diagnose(['a', 'b'], { connect: unreachable })).resolves.toMatchObject({ status: 'failed' });
  });

  it('dials all of 40 hosts before it waits for the first, and looks at one while others still do not answer', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `host${String(index)}`);
    let dialled = 0;
    let allDialled = (): void => undefined;
    const everybody = new Promise<void>((resolve) => (allDialled = resolve));
    let lookedAt = (): void => undefined;
    const lastCheck = new Promise<void>((resolve) => (lookedAt = resolve));
    const connect = async ({ name }: Host): Promise<RemoteHost> => {
      dialled += 1;
      if (dialled === names.length) allDialled();
      await everybody;
      const host = healthyHost({ name, rules: [{ argv: ['cat'], answer: () => (lookedAt(), {}) }] });
      // The last one answers only after all checks of another were made.
      if (name === 'host39') await lastCheck;
      return host;
    };
    await expect(diagnose(names, { connect })).resolves.toMatchObject({ status: 'ok' });
  });

  it('gives a host to components only when it has been examined', async () => {
    const order: string[] = [];
    const rules = [{ argv: ['cat'], answer: () => (order.push('examined'), {}) }];
    const small = smallComponent('small');
    const discover: typeof small.discover = async (context) => {
      const discovery = await small.discover(context);
      order.push('discovered');
      return discovery;
    };
    await diagnose(['a'], {
      components: [smallComponent('small', { discover })],
      connect: ({ name }) => Promise.resolve(healthyHost({ name, rules })),
    });
    expect(order).toEqual(['examined', 'examined', 'examined', 'examined', 'discovered']);
  });

  it('reports what a component does not find, with its remedy, and its warnings', async () => {
    const error = new BackupError('SERVICE_DOWN', 'b: small is stopped', { host: 'b', hint: 'Start it.' });
    const diagnosis = await diagnose(['a', 'b'], {
      components: [
        smallComponent('small', {
          discover: () =>
            Promise.resolve({
              units: [{ ...smallUnit('a', []), warnings: [{ code: 'FILE_MISSING', message: 'a: no /x' }] }],
              problems: [{ unit: 'b', hosts: ['b'], error }],
              absent: [],
            }),
        }),
      ],
    });
    const subject = (unit: string) => ({ kind: 'component', component: 'small', unit, hosts: [unit] });
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toEqual([
      { subject: subject('a'), check: 'discovery', status: 'warning', code: 'FILE_MISSING', detail: 'no /x' },
      {
        subject: subject('b'),
        check: 'discovery',
        status: 'failed',
        code: 'SERVICE_DOWN',
        detail: 'small is stopped',
        remedy: 'Start it.',
      },
    ]);
  });

  it('fails where a component knows already that it cannot save something, and tells it once', async () => {
    const refusal = { code: 'SERVICE_DOWN', message: 'a: it does not answer', hint: 'Start it.' } as const;
    const discover = () =>
      Promise.resolve({
        units: [
          {
            ...smallUnit('a', [{ path: 'small/a/x', host: 'a', commands: [], refusal }]),
            warnings: [{ code: refusal.code, message: refusal.message }],
          },
        ],
        problems: [],
        absent: [],
      });
    const diagnosis = await diagnose(['a'], { components: [smallComponent('small', { discover })] });
    expect(diagnosis.status).toBe('failed');
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toMatchObject([
      {
        check: 'discovery',
        status: 'failed',
        code: 'SERVICE_DOWN',
        detail: 'small/a/x cannot be saved: it does not answer',
        remedy: 'Start it.',
      },
    ]);
  });

  it('skips what the flags leave out, without a call', async () => {
    const called: string[] = [];
    const diagnosis = await diagnose(['a', 'b'], {
      limit: ['b'],
      connect: ({ name }) => (called.push(name), Promise.resolve(healthyHost({ name }))),
    });
    expect(called).toEqual(['b']);
    expect(named(diagnosis, { kind: 'component', unit: 'a' })).toEqual({ discovery: 'skipped' });
    expect(diagnosis.status).toBe('ok');
  });

  it('reports a target that is not there, and looks at the hosts all the same', async () => {
    const missing = new BackupError('TARGET_MISSING', 'target /x is not an existing directory', { hint: 'Mount it.' });
    const diagnosis = await diagnose(['a'], { target: { name: '/x', open: () => Promise.reject(missing) } });
    expect(named(diagnosis, { kind: 'target', target: '/x' })).toMatchObject({ exists: 'failed', write: 'skipped' });
    expect(named(diagnosis, { kind: 'component' })).toEqual({ discovery: 'ok' });
  });

  it.each(['TARGET_UNSUPPORTED', 'USAGE'] as const)(
    'rejects with %s of a target before a host is called',
    async (code) => {
      let called = 0;
      const open = (): Promise<never> => Promise.reject(new BackupError(code, 'no store'));
      const connect = (host: Host): Promise<never> => ((called += 1), unreachable(host));
      await expect(diagnose(['a'], { target: { name: 'x:', open }, connect })).rejects.toMatchObject({ code });
      expect(called).toBe(0);
    },
  );

  it('warns where the target has less room than what would be saved', async () => {
    const discover = () =>
      Promise.resolve({
        units: [smallUnit('a', [{ path: 'small/a/x', host: 'a', size: 2 ** 30, commands: [] }])],
        problems: [],
        absent: [],
      });
    const store = createMemoryStore({ capacity: 2 ** 20 });
    const diagnosis = await diagnose(['a'], {
      components: [smallComponent('small', { discover })],
      ...toTarget(store),
    });
    expect(diagnosis.checks.at(-2)).toMatchObject({
      check: 'space',
      status: 'warning',
      code: 'TARGET_NO_SPACE',
      detail: '1.0 MiB free, and about 1.0 GiB would be saved, before compression',
    });
  });

  it('fails where what a unit needs for a while does not fit on its host', async () => {
    const discover = () =>
      Promise.resolve({
        units: [
          { ...smallUnit('a', []), tempSpace: [{ host: 'a', path: '/data', bytes: 2 ** 40, why: 'a snapshot' }] },
        ],
        problems: [],
        absent: [],
      });
    const diagnosis = await diagnose(['a'], { components: [smallComponent('small', { discover })] });
    expect(diagnosis.checks.filter(({ status }) => status === 'failed')).toMatchObject([
      { subject: { host: 'a' }, check: 'space', code: 'HOST_SPACE', remedy: expect.stringContaining('/data') },
    ]);
  });

  it('tells what is doubtful in the inventory', async () => {
    const cluster = { ...smallCluster(['a']), warnings: ['"a" is both a host and a group'] };
    const diagnosis = await diagnose(['a'], { cluster });
    expect(diagnosis.checks.filter(({ status }) => status === 'warning')).toMatchObject([
      { subject: { kind: 'controller' }, check: 'inventory', code: 'INVENTORY_DOUBTFUL', detail: cluster.warnings[0] },
    ]);
  });

  it('ends with the reason of its signal, and leaves nothing at the target', async () => {
    const stop = new AbortController();
    const store = createMemoryStore();
    const connect = (): Promise<RemoteHost> =>
      new Promise((_resolve, reject) => {
        stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error));
        setImmediate(() => stop.abort(new BackupError('ABORTED', 'stopped by SIGINT')));
      });
    const ended = diagnose(['a'], { connect, signal: stop.signal, ...toTarget(store) });
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED', message: 'stopped by SIGINT' });
    for await (const entry of store.list('')) expect(entry).toBeUndefined();
  });
});
