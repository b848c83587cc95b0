import type { RestorePlan, Step } from '@lsbackup/core';
import { bytesText, counted, indented } from './text.js';

/** A restore for people, before it is done. */
export function restorePlanText(plan: RestorePlan): string {
  const restored = plan.units.filter(({ sets }) => sets.length > 0);
  const left = plan.units.filter(({ sets }) => sets.length === 0);
  const { artifacts, of } = plan.verified;
  const parts = [
    `Restore ${plan.runId} of ${plan.archive}: ${counted(restored.length, 'unit')}, ${counted(plan.steps.length, 'step')}, ${bytesText(plan.bytes)} to read`,
    artifacts === of
      ? `Verified: all ${counted(of, 'artifact')} of the archive.`
      : `Verified: the ${counted(artifacts, 'artifact')} that ${artifacts === 1 ? 'is' : 'are'} needed; the other ${of - artifacts} of the archive were not read.`,
    hostsText(plan),
    stepsText(plan.steps, plan.sizes),
    listText(
      'Names the old cluster, and is restored as it is (change it by hand where that is wrong):',
      findings(plan),
    ),
    listText(
      'Would NOT be restored:',
      left.map(({ component, unit, reason }) => `${component} ${unit}: ${reason ?? ''}`),
    ),
    plan.irreversible.length === 0 ? '' : `CANNOT BE UNDONE: steps of ${plan.irreversible.join(', ')}.`,
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function hostsText({ hosts }: RestorePlan): string {
  const others = hosts.filter(({ isOther, archived, target }) => isOther || archived !== target);
  return listText(
    'Other machines than those that were backed up:',
    others.map(({ archived, target, address }) => `${archived} -> ${target} (${address})`),
  );
}

/** Steps by set, in their order, each with what a person would type. */
export function stepsText(steps: readonly Step[], sizes: RestorePlan['sizes'] = {}): string {
  const sets = [...new Set(steps.map(({ set }) => set))];
  return sets
    .map((set) => {
      const own = steps.filter((step) => step.set === set);
      return [set, ...own.map((step, index) => indented(stepText(step, index + 1, sizes[step.id])))].join('\n');
    })
    .join('\n\n');
}

function stepText(step: Step, number: number, bytes: number | undefined): string {
  const marks = [
    ...(bytes === undefined ? [] : [bytesText(bytes)]),
    ...(step.isDestructive === true ? ['REPLACES what is there'] : []),
    ...(step.beginsDowntime === undefined ? [] : [`downtime of ${step.beginsDowntime} begins`]),
    ...(step.endsDowntime === true ? ['downtime ends'] : []),
  ];
  const head = `${number}. ${step.title}${marks.length === 0 ? '' : `  [${marks.join('; ')}]`}`;
  return [head, ...step.preview.map((command) => `   $ ${command}`)].join('\n');
}

function findings({ findings: all }: RestorePlan): readonly string[] {
  return all.map(({ host, where, text, why }) => `${host} ${where}: ${text}  (${why})`);
}

function listText(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, ...lines.map((line) => indented(line))].join('\n');
}
