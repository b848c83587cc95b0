// The table, on the screen and in docs/benchmarks.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from '../setup/process.mjs';
import { median } from './measure.mjs';

export const document = join(root, 'docs/benchmarks.md');

/** What the figures depend on, in one line. */
export function conditions() {
  const processors = cpus();
  return [
    new Date().toISOString().slice(0, 10),
    `${processors.length} cores (${processors[0].model.trim()})`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `Node.js ${process.version.slice(1)}`,
    `load at the start ${loadavg()[0].toFixed(2)}`,
  ].join(', ');
}

/** Prints the rows and returns how many targets were missed. */
export function printTable(rows, conditionsLine) {
  console.log(`\n${markdown(rows, conditionsLine)}`);
  return rows.filter((row) => !isMet(row)).length;
}

/** Replaces what docs/benchmarks.md says of this benchmark. */
export function writeResults(name, rows, conditionsLine) {
  const begin = `<!-- results of ${name} -->\n`;
  const end = `<!-- end of ${name} -->`;
  const text = readFileSync(document, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no place for ${name}`);
  writeFileSync(document, `${text.slice(0, from)}${begin}\n${markdown(rows, conditionsLine)}\n${text.slice(to)}`);
}

function markdown(rows, conditionsLine) {
  const lines = rows.map((row) => {
    const { name, values, digits = 2 } = row;
    const number = (value) => value.toFixed(digits);
    const spread = `${number(Math.min(...values))} to ${number(Math.max(...values))}`;
    // A | ends a cell even between backticks.
    return `| ${name.replaceAll('|', '\\|')} | ${number(judged(row))} | ${spread} | ${verdict(row)} |`;
  });
  const details = [...new Set(rows.flatMap(({ detail }) => (detail === undefined ? [] : [`- ${detail}`])))];
  const table = ['| what | measured | min to max | target | |', '| --- | --- | --- | --- | --- |', ...lines];
  return [conditionsLine, '', ...table, '', ...details, ''].join('\n');
}

function verdict(row) {
  if (!hasTarget(row)) return 'none |';
  const target = row.atMost !== undefined ? `at most ${row.atMost}` : `at least ${row.atLeast}`;
  return `${target} | ${isMet(row) ? 'ok' : '**MISSED**'}`;
}

/** The median of all rounds, unless the benchmark says what counts. */
function judged({ values, judged: value }) {
  return value ?? median(values);
}

function hasTarget({ atMost, atLeast }) {
  return atMost !== undefined || atLeast !== undefined;
}

function isMet(row) {
  if (!hasTarget(row)) return true;
  const value = judged(row);
  return row.atMost !== undefined ? value <= row.atMost : value >= row.atLeast;
}
