import type { OptionPlace } from './ssh-options.js';
import { matchesPatternList } from './ssh-patterns.js';
import { nextWord } from './ssh-words.js';

/** One condition of a `Match` line. */
export interface Criterion {
  readonly attribute: string;
  readonly negated: boolean;
  /** Empty for `all`, `canonical` and `final`. */
  readonly argument: string;
}

/** What a `Match` line looks at. */
export interface MatchSubject {
  /** The name as it was given to ssh. */
  readonly originalHost: string;
  /** The name after `HostName`. */
  readonly host: string;
  readonly user: string;
  readonly localUser: string;
  /** Whether the files are read for the second time, as `Match final` asks for. */
  readonly finalPass: boolean;
}

const withoutArgument = new Set(['all', 'canonical', 'final']);
const decided = new Set([...withoutArgument, 'host', 'originalhost', 'user', 'localuser']);
/** They depend on what a command answers, on how ssh is called or on the network: only ssh itself can decide. */
const undecidable = new Set(['exec', 'command', 'localnetwork', 'sessiontype', 'tagged', 'version']);

/** The conditions of a `Match` line. Source: match_cfg_line in OpenSSH's readconf.c. Throws a fault of the place for what ssh refuses. */
export function parseMatch(text: string, place: OptionPlace): readonly Criterion[] {
  const criteria: Criterion[] = [];
  let left = text;
  for (let next = nextWord(left); next !== undefined && next.word !== ''; next = nextWord(left)) {
    if (next.word.startsWith('#')) break;
    left = next.rest;
    const negated = next.word.startsWith('!');
    const attribute = next.word.slice(negated ? 1 : 0).toLowerCase();
    if (!decided.has(attribute) && !undecidable.has(attribute)) {
      throw place.fault(`Match does not know "${attribute}"`);
    }
    const argument = withoutArgument.has(attribute) ? { word: '', rest: left } : nextWord(left);
    if (
      argument === undefined ||
      (argument.word === '' && !withoutArgument.has(attribute)) ||
      argument.word.startsWith('#')
    ) {
      throw place.fault(`Match ${attribute} needs an argument`);
    }
    left = argument.rest;
    criteria.push({ attribute, negated, argument: argument.word });
    if (attribute === 'all') return allAlone(criteria, left, place);
  }
  if (criteria.length === 0) throw place.fault('Match needs a condition');
  return criteria;
}

/** `all` stands alone or behind one other condition, and nothing follows. */
function allAlone(criteria: readonly Criterion[], rest: string, place: OptionPlace): readonly Criterion[] {
  const following = nextWord(rest)?.word ?? '';
  if (criteria.length > 2 || (following !== '' && !following.startsWith('#'))) {
    throw place.fault('Match all cannot be combined with other conditions');
  }
  return criteria;
}

/** Whether all conditions hold; `undecided` when that depends on one that only ssh itself can decide. */
export function matches(criteria: readonly Criterion[], subject: MatchSubject): boolean | 'undecided' {
  const known = criteria.filter(({ attribute }) => decided.has(attribute));
  if (!known.every((criterion) => holds(criterion, subject) !== criterion.negated)) return false;
  return known.length === criteria.length ? true : 'undecided';
}

function holds({ attribute, argument }: Criterion, subject: MatchSubject): boolean {
  const hosts = { lowerPatterns: true };
  const users = { lowerPatterns: false };
  switch (attribute) {
    case 'all':
      return true;
    case 'host':
      return matchesPatternList(subject.host, argument, hosts);
    case 'originalhost':
      return matchesPatternList(subject.originalHost, argument, hosts);
    case 'user':
      return matchesPatternList(subject.user, argument, users);
    case 'localuser':
      return matchesPatternList(subject.localUser, argument, users);
    default:
      return subject.finalPass;
  }
}
