import { describe, expect, it } from '@jest/globals';
import type { Check, Diagnosis } from '@lsbackup/core';
import { diagnosisText } from './doctor-text.js';

const long = 'a word '.repeat(60).trim();

function textOf(checks: readonly Check[]): string {
  const diagnosis: Diagnosis = { cluster: 'test', status: 'failed', checks };
  return diagnosisText(diagnosis);
}

describe('a diagnosis for people', () => {
  it('has what is well in one row, and each problem in one of its own, in full with its remedy at the end', () => {
    const subject = { kind: 'host', host: 'a' } as const;
    const text = textOf([
      { subject, check: 'reach', status: 'ok', detail: 'connected' },
      { subject, check: 'become', status: 'failed', detail: long, remedy: long, code: 'HOST_SUDO' },
      { subject, check: 'clock', status: 'warning', detail: 'it is late' },
      { subject, check: 'os', status: 'ok', detail: 'Debian' },
      { subject, check: 'tar', status: 'skipped', detail: 'no connection' },
      { subject, check: 'tools', status: 'skipped', detail: 'no connection' },
    ]);
    const [, table = '', failed, warnings] = text.split('\n\n');
    expect(table.split('\n').map((line) => line.slice(0, 60))).toEqual([
      'SUBJECT  STATUS   FOUND',
      'host a   FAILED   become: a word a word a word a word a word',
      '         warning  clock: it is late',
      '         ok       connected, Debian',
      '         skipped  no connection: tar, tools',
    ]);
    expect(failed).toBe(`1 thing would fail a backup:\n  host a, become: ${long} [HOST_SUDO]\n    -> ${long}`);
    expect(warnings).toBe('1 thing to know, of which no backup fails:\n  host a, clock: it is late');
    expect(text).not.toContain('Nothing would fail');
  });

  it('keeps its table within 100 columns, whatever the names and details are', () => {
    const host = 'a-host-with-a-very-long-name.in.some.data.center.example.org';
    const text = textOf([
      { subject: { kind: 'host', host }, check: 'os', status: 'ok', detail: long },
      { subject: { kind: 'host', host }, check: 'reach', status: 'warning', detail: long },
      {
        subject: { kind: 'component', component: 'small', unit: 'a', hosts: ['a'] },
        check: 'discovery',
        status: 'skipped',
        detail: long,
      },
    ]);
    const table = text.split('\n\n')[1]?.split('\n') ?? [];
    expect(table.filter((line) => line.length > 100)).toEqual([]);
    expect(table[1]).toBe(`host ${host}`);
    expect(table.filter((line) => line.length > 90).length).toBeGreaterThan(3);
  });
});
