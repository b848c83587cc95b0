import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { fakeDiscoverContext, onlyUnit } from '../../testing/fake-contexts.js';
import { FakeHost, runHere, type FakeRule } from '../../testing/fake-host.js';
import { prometheus } from './index.js';
import { prometheusOptions } from './options.js';

export const options = prometheusOptions.parse({});
export const oldBlock = '01M81ZPJWNS22DTVA0AHKNTWHC';
export const newBlock = '01M81ZQ2SDB8YW9CSRE7CTR5N1';
export const snapshot = '20261122T162247Z-5e0a85e729662c9a';
export let root = '';
export let data = '';

export function writeBlock(directory: string, ulid: string, minTime: number): void {
  mkdirSync(join(directory, ulid, 'chunks'), { recursive: true });
  writeFileSync(join(directory, ulid, 'chunks', '000001'), 'samples');
  writeFileSync(
    join(directory, ulid, 'meta.json'),
    JSON.stringify(
      {
        ulid,
        minTime,
        maxTime: minTime + 7_200_000,
        stats: { numSamples: 110_160, numSeries: 153 },
        compaction: { level: 1 },
      },
      null,
      1,
    ),
  );
}

/** A data directory of Prometheus for each test, as it would be on a host. */
export function useDataDirectory(): void {
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'prometheus-')));
    data = join(root, 'data');
    writeFileSync(join(root, 'prometheus.yml'), 'global: {}\n');
    writeBlock(data, oldBlock, 1_795_298_400_000);
    writeBlock(data, newBlock, 1_795_305_600_000);
    mkdirSync(join(data, 'wal'));
    mkdirSync(join(data, 'alertmanager'));
    mkdirSync(join(data, `${oldBlock}.tmp-for-deletion`));
  });
  afterEach(() => {
    for (const path of [join(root, 'above'), data]) if (existsSync(path)) chmodSync(path, 0o700);
    rmSync(root, { recursive: true });
  });
}

/** From here on the server's data directory is another one, which is not made. */
export function moveData(name: string): void {
  data = join(root, name);
}

export interface Server {
  admin?: boolean;
  /** Status of the answer about targets. */
  targetsStatus?: number;
  /** Status of the snapshot call. */
  snapshotStatus?: number;
  status?: number;
  /** Answers the snapshot call in place of the server. */
  answerSnapshot?: (response: ServerResponse) => void;
}

/** A server that makes its snapshot as Prometheus does. */
function api({
  admin = true,
  targetsStatus = 200,
  snapshotStatus = 200,
  status = 200,
  answerSnapshot,
}: Server): RequestListener {
  const wrap = (value: unknown): string => JSON.stringify({ status: 'success', data: value });
  return (request, response) => {
    const path = request.url?.replace(/\?.*/, '') ?? '';
    response.statusCode = status;
    if (path === '/api/v1/status/flags')
      response.end(wrap({ 'storage.tsdb.path': `${data}/`, 'web.enable-admin-api': String(admin) }));
    else if (path === '/api/v1/status/buildinfo') response.end(wrap({ version: '2.42.0+ds' }));
    else if (path === '/api/v1/status/tsdb') response.end(wrap({ headStats: { numSeries: 707 } }));
    else if (path === '/api/v1/targets') {
      response.statusCode = targetsStatus;
      response.end(wrap({ activeTargets: [{ health: 'up' }, { health: 'down' }] }));
    } else if (path === '/api/v1/admin/tsdb/snapshot' && request.method === 'POST') {
      response.statusCode = snapshotStatus;
      if (answerSnapshot !== undefined) answerSnapshot(response);
      else if (snapshotStatus === 200) {
        for (const block of [oldBlock, newBlock])
          writeBlock(join(data, 'snapshots', snapshot), block, 1_795_298_400_000);
        response.end(wrap({ name: snapshot }));
      } else response.end('{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}');
    } else {
      response.statusCode = 404;
      response.end();
    }
  };
}

export function monitoringHost(server: Server | undefined, ...rules: FakeRule[]): FakeHost {
  const show = `Id=prometheus.service\nLoadState=loaded\nActiveState=active\nMainPID=81\nWorkingDirectory=\nFragmentPath=/etc/systemd/system/prometheus.service\n`;
  return new FakeHost({
    name: 'mon1',
    rules: [
      ...rules,
      { argv: /^systemctl show .* prometheus.service$/, answer: { stdout: show } },
      {
        argv: ['cat', '/proc/81/cmdline'],
        answer: {
          stdout: `/opt/none/prometheus\0--config.file=${root}/prometheus.yml\0--storage.tsdb.path=${data}\0--web.listen-address=:9090\0`,
        },
      },
      { argv: /^(?:sh|tar|cat|ls) /, answer: runHere },
    ],
    ...(server === undefined ? {} : { http: { '127.0.0.1:9090': api(server) } }),
  });
}

export async function discovered(remote: FakeHost) {
  return onlyUnit(await prometheus.discover(fakeDiscoverContext({ hosts: [remote], options })));
}
