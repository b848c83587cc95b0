import { describe, expect, it } from '@jest/globals';
import { BackupError } from '@lsbackup/core/store';
import { createLiveTable } from './live-table.js';
import { createPlainLines } from './plain-lines.js';

// eslint-disable-next-line no-control-regex -- escape sequences are what a terminal reads
const terminalWords = /\u001b\[(\d+)A|(\u001b\[J)|(\n)|([^\u001b\n]+)/g;

/** A terminal that understands what the table uses: cursor up, erase below, line ends. */
function fakeTerminal(size: { columns: number; rows: number }): {
  columns: number;
  rows: number;
  write(text: string): void;
  screen(): string[];
} {
  let lines = [''];
  let row = 0;
  return {
    ...size,
    write: (text) => {
      for (const [, up, erase, newline, plain = ''] of text.matchAll(terminalWords)) {
        if (up !== undefined) row -= Number(up);
        else if (erase !== undefined) lines = [...lines.slice(0, row), ''];
        else if (newline !== undefined) {
          row++;
          lines[row] ??= '';
        } else lines[row] = (lines[row] ?? '') + plain.replaceAll('\r', '');
      }
    },
    screen: () => lines.filter((line) => line !== ''),
  };
}

const progress = (active: { path: string; host: string; bytesRead: number }[]) =>
  ({ type: 'progress', bytesRead: 2048, bytesWritten: 1024, artifactsSaved: 1, artifactsExpected: 3, active }) as const;

describe('live table', () => {
  it('shows what runs, and keeps what has ended above it', () => {
    const terminal = fakeTerminal({ columns: 80, rows: 24 });
    let time = 0;
    const table = createLiveTable(terminal, () => time);
    table.event({ type: 'component', component: 'haproxy', unit: 'lb1', status: 'started' });
    table.event({ type: 'component', component: 'haproxy', unit: 'lb2', status: 'started' });
    time = 2000;
    table.event(progress([{ path: 'haproxy/lb1/config.tar', host: 'lb1', bytesRead: 2048 }]));
    expect(terminal.screen()).toEqual([
      '  haproxy/lb1  running',
      '  haproxy/lb2  running',
      '    haproxy/lb1/config.tar  2.0 KiB',
      '2 s  1 of 3 artifacts, 2.0 KiB read, 1.0 KiB written, 1.0 KiB/s',
    ]);
    table.event({
      type: 'component',
      component: 'haproxy',
      unit: 'lb1',
      status: 'failed',
      reason: 'it is \u001b[31mdown',
    });
    expect(terminal.screen()).toEqual([
      'haproxy/lb1 failed: it is ?[31mdown',
      '  haproxy/lb2  running',
      '    haproxy/lb1/config.tar  2.0 KiB',
      '2 s  1 of 3 artifacts, 2.0 KiB read, 1.0 KiB written, 1.0 KiB/s',
    ]);
    table.clear();
    expect(terminal.screen()).toEqual(['haproxy/lb1 failed: it is ?[31mdown']);
  });

  it('tells of looking until there is a plan, and of units until the first bytes are counted', () => {
    const terminal = fakeTerminal({ columns: 80, rows: 24 });
    const table = createLiveTable(terminal, () => 0);
    table.event({ type: 'host', host: 'lb1', status: 'connected' });
    expect(terminal.screen()).toEqual(['0 s  connecting and looking']);
    table.event({ type: 'plan', runId: 'r', units: 2, artifacts: 3, expectedBytes: 2048 });
    table.event({ type: 'component', component: 'haproxy', unit: 'lb1', status: 'started' });
    expect(terminal.screen()).toEqual(['  haproxy/lb1  running', '0 s  0 of 2 units ended']);
    table.event({ type: 'component', component: 'haproxy', unit: 'lb1', status: 'complete' });
    expect(terminal.screen()).toEqual(['haproxy/lb1 complete', '0 s  1 of 2 units ended']);
  });

  it('never draws more than the terminal holds', () => {
    const terminal = fakeTerminal({ columns: 20, rows: 8 });
    const table = createLiveTable(terminal, () => 0);
    for (let index = 0; index < 50; index++) {
      table.event({
        type: 'component',
        component: 'haproxy',
        unit: `a-host-with-a-long-name-${index}`,
        status: 'started',
      });
    }
    const screen = terminal.screen();
    expect(screen.length).toBeLessThan(8);
    expect(Math.max(...screen.map((line) => line.length))).toBeLessThan(20);
    expect(screen.at(-2)).toBe('  ... and 46 more');
  });
});

describe('plain lines', () => {
  it('one line per thing that happens, progress every ten seconds', () => {
    const lines: string[] = [];
    let time = 0;
    const view = createPlainLines(
      (line) => lines.push(line),
      () => time,
    );
    view.event({ type: 'plan', runId: 'r', units: 2, artifacts: 3, expectedBytes: 2048 });
    view.event({ type: 'host', host: 'lb1', status: 'connected' });
    view.event({
      type: 'host',
      host: 'lb2',
      status: 'failed',
      error: new BackupError('HOST_UNREACHABLE', 'lb2: refused'),
    });
    view.event({ type: 'component', component: 'haproxy', unit: 'lb1', status: 'started' });
    for (time of [5_000, 11_000, 12_000, 22_000]) view.event(progress([]));
    view.event({ type: 'component', component: 'haproxy', unit: 'lb1', status: 'complete' });
    view.event({ type: 'warning', code: 'X', message: 'mind this', component: 'haproxy', host: 'lb1' });
    view.event({ type: 'error', error: new BackupError('INTERNAL', 'oh', { host: 'lb9', hint: 'do that' }) });
    expect(lines).toEqual([
      '2 units, 3 artifacts, about 2.0 KiB',
      'host lb2: lb2: refused',
      'haproxy/lb1 started',
      '1 of 3 artifacts, 2.0 KiB read, 1.0 KiB written',
      '1 of 3 artifacts, 2.0 KiB read, 1.0 KiB written',
      'haproxy/lb1 complete',
      'Warning: haproxy on lb1: mind this',
      'Error: lb9: oh [INTERNAL]\n  do that',
    ]);
  });
});
