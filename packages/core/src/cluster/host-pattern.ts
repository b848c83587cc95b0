import { BackupError } from '../model/errors.js';
import type { Host } from './cluster.js';

/**
 * The hosts that at least one pattern names, in the order they came; a pattern is a host's inventory name, where `*` stands for any
 * characters. All hosts when there is no pattern. Throws USAGE for a pattern that names no host.
 */
export function selectHosts(hosts: readonly Host[], patterns: readonly string[] | undefined): readonly Host[] {
  if (patterns === undefined || patterns.length === 0) return hosts;
  for (const pattern of patterns) {
    if (hosts.some((host) => matchesHostPattern(host.name, pattern))) continue;
    const known = hosts.slice(0, 20).map((host) => host.name);
    const more = hosts.length > known.length ? ', ...' : '';
    throw new BackupError('USAGE', `no host is called "${pattern}"`, {
      hint: `The hosts are ${known.join(', ')}${more}.`,
    });
  }
  return hosts.filter((host) => patterns.some((pattern) => matchesHostPattern(host.name, pattern)));
}

/** Whether the name is the pattern, in which `*` stands for any characters, also none. Takes time linear in both. */
export function matchesHostPattern(name: string, pattern: string): boolean {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return name === head;
  if (!name.startsWith(head) || name.length < head.length + tail.length || !name.endsWith(tail)) return false;
  const last = name.length - tail.length;
  let position = head.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, position);
    if (found === -1 || found + piece.length > last) return false;
    position = found + piece.length;
  }
  return true;
}
