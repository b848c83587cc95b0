import type { Cluster } from '../cluster.js';
import { pythonRegex } from '../python/python-regex.js';
import { matchesGlob, parseGlob } from './glob.js';
import { hasPairedBrackets } from './split-patterns.js';

/** What patterns are about: hosts and groups in the inventory's order. */
export type PatternScope = Pick<Cluster, 'groups' | 'unorderedGroups'> & {
  readonly hosts: readonly { readonly name: string }[];
};

/** A pattern that cannot be meant as it stands: it names nothing, or is malformed. */
export interface PatternFault {
  readonly pattern: string;
  /** What is wrong with it, as the end of a sentence. */
  readonly problem: string;
}

export interface PatternMatch {
  /** Inventory names. */
  readonly hosts: ReadonlySet<string>;
  readonly faults: readonly PatternFault[];
}

/**
 * The hosts that single patterns choose, as Ansible's `--limit` does: all plain ones together (every host where there is none), of
 * which only what is in every `&pattern` and in no `!pattern`. A pattern is a host's name, else a group's name or a glob of group
 * and host names, with an optional subscript `[1]`, `[1:3]`, `[1:]`, `[-1]` of what it names, or `~` and a Python regular expression
 * that fits from the start. Ansible passes over a pattern that names nothing with a warning, and takes no pattern at all for every
 * host: here both are faults.
 * Source: Ansible documentation, "Patterns: targeting hosts and groups"; `InventoryManager._evaluate_patterns`.
 */
export function matchHosts(scope: PatternScope, patterns: readonly string[]): PatternMatch {
  if (patterns.length === 0) return { hosts: new Set(), faults: [{ pattern: '""', problem: 'names nothing' }] };
  const faults: PatternFault[] = [];
  const names = new Set(scope.hosts.map(({ name }) => name));
  const hostsOf = (pattern: string): ReadonlySet<string> => {
    try {
      return new Set(hostsOfPattern(scope, names, pattern));
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      faults.push({ pattern, problem: error.message });
      return new Set();
    }
  };
  const plain = patterns.filter((pattern) => !isSigned(pattern));
  let hosts = new Set((plain.length > 0 ? plain : ['all']).flatMap((pattern) => [...hostsOf(pattern)]));
  for (const pattern of patterns.filter(isSigned)) {
    const found = hostsOf(pattern);
    const keepsMembers = pattern.startsWith('&');
    hosts = new Set([...hosts].filter((host) => found.has(host) === keepsMembers));
  }
  return { hosts, faults };
}

/** A pattern that nothing can be made of; the message is the fault's problem. */
class PatternError extends Error {}

function isSigned(pattern: string): boolean {
  return /^[!&]/.test(pattern);
}

/** With repetitions. A group without hosts can be left out, but not chosen. */
function hostsOfPattern(scope: PatternScope, names: ReadonlySet<string>, pattern: string): readonly string[] {
  const signed = isSigned(pattern);
  if (names.has(pattern)) {
    if (signed) throw new PatternError('is the name of a host, and would leave hosts out as well');
    return [pattern];
  }
  if (!hasPairedBrackets(pattern)) throw new PatternError('has a bracket without its pair');
  const { expression, subscript } = splitSubscript(signed ? pattern.slice(1) : pattern);
  if (expression === '') throw new PatternError('names nothing');
  const matches = matcherOf(expression);
  const groups = [...scope.groups.keys()].filter(matches);
  const members = groups.flatMap((group) => scope.groups.get(group) ?? []);
  const asHosts = groups.length === 0 || /^~|[.?*[]/.test(expression);
  const found = asHosts ? [...members, ...[...names].filter(matches)] : members;
  if (found.length === 0 && groups.length === 0) {
    const counts = subscript ? `; what is in brackets at its end counts the hosts of "${expression}"` : '';
    throw new PatternError(`matches no host and no group${counts}`);
  }
  const unordered = subscript && groups.find((group) => scope.unorderedGroups?.has(group));
  if (unordered !== undefined)
    throw new PatternError(`counts the hosts of "${unordered}", which Ansible takes in no certain order`);
  const hosts = subscript ? subscript(found) : found;
  if (hosts.length === 0 && (subscript || !pattern.startsWith('!'))) throw new PatternError('matches no host');
  return hosts;
}

type Subscript = (hosts: readonly string[]) => readonly string[];

const withSubscript = /^(.+)\[(?:(-?[0-9]+)|([0-9]+)([:-])([0-9]*))\]$/;

/** Begin and end of a range both count. An end of 0 is none: Ansible then takes the one host at the begin. */
function splitSubscript(pattern: string): { readonly expression: string; readonly subscript?: Subscript } {
  const found = pattern.startsWith('~') ? null : withSubscript.exec(pattern);
  if (found === null) return { expression: pattern };
  const [, expression = '', single, first, mark, last = ''] = found;
  if (mark === '-') throw new PatternError(`has a subscript with "-": write [${first ?? ''}:${last}] to count hosts`);
  if (single !== undefined || Number(last || '-1') === 0) {
    const position = Number(single ?? first);
    return { expression, subscript: (hosts) => [hosts.at(position)].filter((host) => host !== undefined) };
  }
  return { expression, subscript: (hosts) => hosts.slice(Number(first), last === '' ? undefined : Number(last) + 1) };
}

function matcherOf(expression: string): (name: string) => boolean {
  if (!expression.startsWith('~')) {
    const glob = parseGlob(expression);
    return (name) => matchesGlob(glob, name);
  }
  try {
    const regex = pythonRegex(expression.slice(1));
    return (name) => regex.test(name);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new PatternError(`is no regular expression that can be used here: ${error.message}`, { cause: error });
  }
}
