import type { Check, Diagnosis, Subject } from '@lsbackup/core';
import { counted, indented, printable, wrapped } from './text.js';

const columns = 100;
const gap = '  ';
/** A longer name has a line of its own. */
const widestSubject = 20;
const header = ['SUBJECT', 'STATUS', 'FOUND'] as const;
const statusWidth = 'skipped'.length;
const statuses = { failed: 'FAILED', warning: 'warning', ok: 'ok', skipped: 'skipped' } as const;

/** A diagnosis for people: one table of all subjects, then what is wrong in full, with its remedy. */
export function diagnosisText({ cluster, checks }: Diagnosis): string {
  const subjects = groupBySubject(checks);
  const fitting = subjects.map(({ name }) => name.length).filter((length) => length <= widestSubject);
  const width = Math.max(header[0].length, ...fitting);
  return [
    `Cluster ${printable(cluster)}`,
    [row(width, ...header), ...subjects.flatMap((subject) => subjectLines(subject, width))].join('\n'),
    problemsText(
      checks.filter(({ status }) => status === 'failed'),
      'would fail a backup',
    ),
    problemsText(
      checks.filter(({ status }) => status === 'warning'),
      'to know, of which no backup fails',
    ),
    checks.some(({ status }) => status === 'failed') ? '' : 'Nothing would fail a backup.',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

interface OneSubject {
  readonly name: string;
  readonly checks: readonly Check[];
}

function groupBySubject(checks: readonly Check[]): readonly OneSubject[] {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    const name = subjectName(check.subject);
    groups.set(name, [...(groups.get(name) ?? []), check]);
  }
  return [...groups].map(([name, own]) => ({ name, checks: own }));
}

function subjectName(subject: Subject): string {
  switch (subject.kind) {
    case 'controller':
      return 'this machine';
    case 'host':
      return `host ${printable(subject.host)}`;
    case 'target':
      return `target ${printable(subject.target)}`;
    case 'component':
      return printable(`${subject.component}/${subject.unit}`);
  }
}

/** Each problem in a row of its own, all that is well in one, and the names of what was not looked at in one. */
function subjectLines({ name, checks }: OneSubject, width: number): readonly string[] {
  const of = (status: Check['status']): readonly Check[] => checks.filter((check) => check.status === status);
  const good = of('ok').map(({ detail }) => detail);
  const rows = [
    ...[...of('failed'), ...of('warning')].map((check) => ({
      status: check.status,
      lines: [problemLine(check, width)],
    })),
    ...(good.length === 0 ? [] : [{ status: 'ok' as const, lines: wrapped(good.join(', '), room(width)) }]),
    ...skippedRows(of('skipped'), width),
  ];
  const lines = rows.flatMap(({ status, lines: own }) =>
    own.map((line, index) => ({ status: index === 0 ? statuses[status] : '', line })),
  );
  const tooLong = name.length > width;
  return [
    ...(tooLong ? [name] : []),
    ...lines.map(({ status, line }, index) => row(width, index === 0 && !tooLong ? name : '', status, line)),
  ];
}

function row(width: number, ...[name, status, found]: readonly [string, string, string]): string {
  return `${name.padEnd(width)}${gap}${status.padEnd(statusWidth)}${gap}${found}`.trimEnd();
}

function room(width: number): number {
  return columns - width - statusWidth - 2 * gap.length;
}

function problemLine({ subject, check, detail }: Check, width: number): string {
  const line = printable(subject.kind === 'component' ? detail : `${check}: ${detail}`).replaceAll('\n', ' ');
  return line.length <= room(width) ? line : `${line.slice(0, room(width) - 3)}...`;
}

function skippedRows(checks: readonly Check[], width: number): { status: 'skipped'; lines: readonly string[] }[] {
  const byReason = new Map<string, string[]>();
  for (const { subject, check, detail } of checks)
    byReason.set(detail, [...(byReason.get(detail) ?? []), ...(subject.kind === 'component' ? [] : [check])]);
  return [...byReason].map(([reason, names]) => ({
    status: 'skipped',
    lines: wrapped(names.length === 0 ? reason : `${reason}: ${names.join(', ')}`, room(width)),
  }));
}

/** Not broken into lines: what a remedy says to type is to be copied. */
function problemsText(problems: readonly Check[], what: string): string {
  if (problems.length === 0) return '';
  const lines = problems.flatMap(({ subject, check, detail, code, remedy }) => {
    const where = subject.kind === 'component' ? subjectName(subject) : `${subjectName(subject)}, ${check}`;
    return [
      `${where}: ${detail}${code === undefined ? '' : ` [${code}]`}`,
      ...(remedy === undefined ? [] : [indented(`-> ${remedy}`)]),
    ];
  });
  return [`${counted(problems.length, 'thing')} ${what}:`, ...lines.map((line) => indented(printable(line)))].join(
    '\n',
  );
}
