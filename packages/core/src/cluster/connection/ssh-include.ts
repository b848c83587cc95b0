import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The files that an absolute path with wildcards (`*`, `?`, `[abc]`) names, sorted; a wildcard stands for no leading dot. Nothing where
 * nothing fits, or where a directory cannot be looked into. Source: glob(3), which ssh uses for `Include`.
 */
export async function filesMatching(pattern: string): Promise<readonly string[]> {
  let found = ['/'];
  for (const part of pattern.split('/').filter((name) => name !== '')) {
    const next = await Promise.all(found.map((directory) => entriesMatching(directory, part)));
    found = next.flat();
  }
  return found;
}

async function entriesMatching(directory: string, part: string): Promise<readonly string[]> {
  if (!/[*?[\\]/.test(part)) {
    const path = join(directory, part);
    return (await exists(path)) ? [path] : [];
  }
  const pieces = wildcardPieces(part);
  const names = await readdir(directory).catch(() => []);
  const fitting = names.filter((name) => fits(name, pieces) && (part.startsWith('.') || !name.startsWith('.')));
  return fitting.sort().map((name) => join(directory, name));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** `*`, or what one character may be. */
type Piece = '*' | ((character: string) => boolean);

function wildcardPieces(part: string): Piece[] {
  const pieces = part.matchAll(/\[([!^]?)(\]?[^\]]*)\]|\\(.)|(.)/gsu);
  return [...pieces].map(([, negation, set, escaped, plain]) => {
    if (set !== undefined) return (character) => inSet(character, set) === (negation === '');
    if (escaped === undefined && plain === '*') return '*';
    if (escaped === undefined && plain === '?') return () => true;
    return (character) => character === (escaped ?? plain);
  });
}

function inSet(character: string, set: string): boolean {
  const ranges = [...set.matchAll(/(.)-(.)|(.)/gsu)];
  return ranges.some(([, from, to, single]) =>
    single === undefined
      ? from !== undefined && to !== undefined && from <= character && character <= to
      : single === character,
  );
}

function fits(name: string, pieces: readonly Piece[]): boolean {
  let reached = opened([0], pieces);
  for (const character of name) {
    const next = reached.flatMap((place) => step(pieces, place, character));
    reached = opened([...new Set(next)], pieces);
  }
  return reached.includes(pieces.length);
}

/** The places with those behind stars, which may stand for nothing. */
function opened(places: readonly number[], pieces: readonly Piece[]): readonly number[] {
  const open = [...places];
  for (const place of open) if (pieces[place] === '*') open.push(place + 1);
  return open;
}

function step(pieces: readonly Piece[], place: number, character: string): number[] {
  const piece = pieces[place];
  if (piece === undefined) return [];
  if (piece === '*') return [place];
  return piece(character) ? [place + 1] : [];
}
