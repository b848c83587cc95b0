import { isOneAddress } from '../inventory/host-names.js';
import { strip, whitespaceClass } from '../python/python-text.js';

const betweenColons = new RegExp(`(?:[^${whitespaceClass}:\\[\\]]|\\[[^\\]]*\\])+`, 'gu');

/**
 * The single patterns of a list as `--limit` takes it: separated by commas or, where there is none and the whole is no host name or
 * address with a port or a range, by colons. Source: Ansible's `split_host_pattern`, which drops a bracket without its pair; here
 * the list then stays whole, so that it is refused.
 */
export function splitPatterns(list: string): readonly string[] {
  const patterns = list.includes(',') ? list.split(',') : splitAtColons(list);
  return patterns.map(strip).filter((pattern) => pattern !== '');
}

function splitAtColons(list: string): readonly string[] {
  if (isOneAddress(list) || !hasPairedBrackets(list)) return [list];
  return list.match(betweenColons) ?? [];
}

/** Whether every bracket has its pair; the first one after an opening closes it. */
export function hasPairedBrackets(pattern: string): boolean {
  return !/[[\]]/.test(pattern.replaceAll(/\[[^\]]*\]/g, ''));
}
