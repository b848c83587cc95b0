/** One place of a glob: a character, `?`, `*` or a set. */
type Piece = string | { readonly kind: 'any' } | { readonly kind: 'many' } | CharacterSet;

interface CharacterSet {
  readonly kind: 'set';
  readonly negated: boolean;
  /** First and last character of each range. */
  readonly ranges: readonly (readonly [string, string])[];
}

export type Glob = readonly Piece[];

/**
 * Reads a pattern of Python's `fnmatch`: `*` any characters, also none; `?` one; `[a-c]` one of these, `[!a-c]` one of the others; a
 * bracket that is not closed means itself, as does everything else. Source: Python documentation, "fnmatch"; Lib/fnmatch.py.
 */
export function parseGlob(pattern: string): Glob {
  const characters = Array.from(pattern);
  const pieces: Piece[] = [];
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index] ?? '';
    const end = character === '[' ? endOfSet(characters, index) : -1;
    if (end !== -1) {
      pieces.push(parseSet(characters.slice(index + 1, end)));
      index = end;
    } else if (character === '*') pieces.push({ kind: 'many' });
    else pieces.push(character === '?' ? { kind: 'any' } : character);
  }
  return pieces;
}

/** The bracket that closes a set: one right behind the opening, or behind its `!`, is a member. -1: none does. */
function endOfSet(characters: readonly string[], open: number): number {
  const first = characters[open + 1] === '!' ? open + 2 : open + 1;
  return characters.indexOf(']', characters[first] === ']' ? first + 1 : first);
}

function parseSet(members: readonly string[]): Piece {
  const runs = withoutEmptyRanges(splitAtHyphens(members));
  const negated = runs[0]?.[0] === '!';
  if (negated) runs[0]?.shift();
  const ranges: (readonly [string, string])[] = [];
  for (const [index, run] of runs.entries()) {
    for (const character of run) ranges.push([character, character]);
    const [from, to] = [run.at(-1), runs[index + 1]?.[0]];
    if (from !== undefined && to !== undefined) ranges.push([from, to]);
  }
  return { kind: 'set', negated, ranges };
}

/** Between two runs stands a hyphen that makes a range; one that can make none is a member. */
function splitAtHyphens(members: readonly string[]): string[][] {
  const runs: string[][] = [];
  let start = 0;
  let from = members[0] === '!' ? 2 : 1;
  for (let hyphen = members.indexOf('-', from); hyphen !== -1; hyphen = members.indexOf('-', from)) {
    runs.push(members.slice(start, hyphen));
    start = hyphen + 1;
    from = hyphen + 3;
  }
  const rest = members.slice(start);
  if (rest.length > 0 || runs.length === 0) runs.push(rest);
  else runs.at(-1)?.push('-');
  return runs;
}

/** A range whose end is before its begin is empty: both go, and what is beside them is no range. */
function withoutEmptyRanges(runs: readonly (readonly string[])[]): string[][] {
  const kept: string[][] = [];
  for (const run of [...runs].reverse()) {
    const next = kept[0];
    const [from, to] = [run.at(-1), next?.[0]];
    if (next !== undefined && from !== undefined && to !== undefined && before(to, from))
      kept.splice(0, 1, [...run.slice(0, -1), ...next.slice(1)]);
    else kept.unshift([...run]);
  }
  return kept;
}

/** By code point. */
function before(left: string, right: string): boolean {
  return (left.codePointAt(0) ?? 0) < (right.codePointAt(0) ?? 0);
}

/** Whether the glob stands for the whole text. Takes time of at most the product of both lengths. */
export function matchesGlob(glob: Glob, text: string): boolean {
  const characters = Array.from(text);
  let [piece, place] = [0, 0];
  let retry: { readonly piece: number; place: number } | undefined;
  while (place < characters.length) {
    const current = glob[piece];
    if (isMany(current)) {
      piece += 1;
      retry = { piece, place };
    } else if (current !== undefined && matchesOne(current, characters[place] ?? '')) {
      piece += 1;
      place += 1;
    } else if (retry !== undefined) {
      retry.place += 1;
      [piece, place] = [retry.piece, retry.place];
    } else return false;
  }
  return glob.slice(piece).every(isMany);
}

function isMany(piece: Piece | undefined): boolean {
  return typeof piece === 'object' && piece.kind === 'many';
}

function matchesOne(piece: Piece, character: string): boolean {
  if (typeof piece === 'string') return piece === character;
  if (piece.kind !== 'set') return true;
  const member = piece.ranges.some(([from, to]) => !before(character, from) && !before(to, character));
  return member !== piece.negated;
}
