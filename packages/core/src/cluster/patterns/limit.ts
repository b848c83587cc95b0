import { readFile, stat } from 'node:fs/promises';

import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { systemReason } from '../../model/system-errors.js';
import { groupMembers } from '../inventory/group-members.js';
import type { Inventory } from '../inventory/inventory.js';
import { strip } from '../python/python-text.js';
import { matchHosts, type PatternFault, type PatternScope } from './host-patterns.js';
import { nearNames } from './near-names.js';
import { splitPatterns } from './split-patterns.js';

/** Larger files are no lists of hosts. */
const maximumBytes = 16 * 1024 * 1024;

/** The inventory that a limit is about. */
export type LimitScope = PatternScope & { readonly inventoryFile: string };

/**
 * The hosts that `--limit` leaves, in the inventory's order; all of them without a limit. Each text is a list of patterns
 * (`matchHosts`), all texts together are one list; `@file` in it is a file of one pattern a line, relative to the working directory.
 * Throws USAGE for a pattern that names nothing or is malformed, with the names that come near; for a file that cannot be read; and
 * when no pattern is given or no host is left: an empty variable of a script must not mean every host, as it does in Ansible.
 */
export async function limitHosts(scope: LimitScope, limit: readonly string[] | undefined): Promise<readonly string[]> {
  const names = scope.hosts.map(({ name }) => name);
  if (limit === undefined) return names;
  const patterns = await readPatterns(limit);
  if (limit.every((list) => strip(list) === '')) throw emptyLimit();
  const { hosts, faults } = matchHosts(scope, patterns);
  if (faults[0] !== undefined)
    throw refusal(scope, `${faults[0].pattern} ${faults[0].problem}`, patternHint(scope, faults[0]));
  if (hosts.size === 0) throw refusal(scope, `${limit.join(',')} leaves no host`);
  return names.filter((name) => hosts.has(name));
}

/** The same for an inventory whose connection variables are not interpreted. */
export function limitInventory(
  inventory: Pick<Inventory, 'file' | 'groups' | 'hosts'>,
  limit: readonly string[] | undefined,
): Promise<readonly string[]> {
  const hosts = [...inventory.hosts.values()];
  return limitHosts({ inventoryFile: inventory.file, hosts, ...groupMembers(inventory) }, limit);
}

function emptyLimit(): BackupError {
  return new BackupError('USAGE', '--limit is empty, which would leave no host', {
    hint: 'Leave --limit out for all hosts: for Ansible an empty one means that, here it might be a variable that is not set.',
  });
}

function refusal(scope: LimitScope, problem: string, hint = hostsHint(scope)): BackupError {
  return new BackupError('USAGE', `--limit ${problem} (${scope.inventoryFile})`, { hint });
}

/** What can be done about a pattern that has a fault, one sentence. */
export function patternHint(scope: PatternScope, { pattern }: PatternFault): string {
  const meant = pattern.replace(/^[!&]/, '').replace(/(?<=.)\[[^\]]*\]$/, '');
  const near = nearNames(meant, [...scope.hosts.map(({ name }) => name), ...scope.groups.keys()]);
  return near.length === 0 ? hostsHint(scope) : `Names that come near: ${near.join(', ')}.`;
}

function hostsHint({ hosts }: PatternScope): string {
  return `Hosts: ${nameList(hosts.map(({ name }) => name))}.`;
}

async function readPatterns(limit: readonly string[]): Promise<readonly string[]> {
  const patterns: string[] = [];
  for (const pattern of limit.flatMap(splitPatterns)) {
    if (pattern.startsWith('@')) patterns.push(...(await readLines(pattern.slice(1))));
    else patterns.push(pattern);
  }
  return patterns;
}

async function readLines(file: string): Promise<readonly string[]> {
  const text = await readList(file).catch((cause: unknown) => {
    throw new BackupError('USAGE', `--limit @${file}: cannot read the file: ${systemReason(cause)}`, {
      hint: 'Give a file with one host pattern a line.',
      cause,
    });
  });
  return text
    .split('\n')
    .map(strip)
    .filter((line) => line !== '');
}

async function readList(file: string): Promise<string> {
  const found = await stat(file);
  if (!found.isFile()) throw new Error('it is no regular file');
  if (found.size > maximumBytes) throw new Error('it is larger than 16 MiB');
  return readFile(file, 'utf8');
}
