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
  const characters = [...name];
  let reached = new Set([0]);
  for (const character of [...characters, '']) {
    const open = [...reached];
    for (const place of open) if (pieces[place] === '*') open.push(place + 1);
    if (character === '') return open.includes(pieces.length);
    reached = new Set(open.flatMap((place) => step(pieces, place, character)));
  }
  return false;
}

function step(pieces: readonly Piece[], place: number, character: string): number[] {
  const piece = pieces[place];
  if (piece === undefined) return [];
  if (piece === '*') return [place];
  return piece(character) ? [place + 1] : [];
}
