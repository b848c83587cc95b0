/**
 * Does `pattern` mean `path`? It does when it is the path, when it is a directory above it, or when its `*` (any characters, slashes too) make
 * it so. Trailing slashes and a leading `./` of the pattern do not count; `.` means everything. Takes linear time whatever the pattern.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const clean = pattern.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '');
  if (clean === '.' || clean === '') return true;
  if (path === clean || path.startsWith(`${clean}/`)) return true;
  return matchesStars(clean.split('*'), path);
}

/** Greedy from the left, which is right because a `*` takes anything. */
function matchesStars(pieces: readonly string[], path: string): boolean {
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (pieces.length < 2 || !path.startsWith(first)) return false;
  let position = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = path.indexOf(piece, position);
    if (found === -1) return false;
    position = found + piece.length;
  }
  return path.length >= position + last.length && path.endsWith(last);
}
