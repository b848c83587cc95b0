import { BackupError } from '../model/errors.js';

/** Links followed for one path before the kernel gives up: 40 on Linux, fewer elsewhere; some more to be sure. */
const mostExpansions = 64;

/**
 * Does following the symbolic link at `path` ever lead above the root? `symlinks` holds every symbolic link of the tree with its target. A
 * check of the target's text is not enough: `a/b -> ..` is the root, so `c -> a/b/..` is above it though it reads like `a`. Directories that are not there count
 * as directories, since somebody may make them later.
 *
 * `budget.steps` bounds the work for all links of one tree. Errors: ARCHIVE_HOSTILE when it is used up.
 */
export function linkEscapes(symlinks: ReadonlyMap<string, string>, path: string, budget: { steps: number }): boolean {
  const position = path.split('/').slice(0, -1);
  const own = symlinks.get(path) ?? '';
  if (own.startsWith('/')) return true;
  const ahead = reversed(own);
  for (let expansions = 1; ;) {
    budget.steps -= 1 + position.length;
    if (budget.steps < 0)
      throw new BackupError('ARCHIVE_HOSTILE', 'its symbolic links are too entangled to be checked');
    const piece = ahead.pop();
    if (piece === undefined) return false;
    if (piece === '' || piece === '.') continue;
    if (piece === '..') {
      if (position.pop() === undefined) return true;
      continue;
    }
    position.push(piece);
    const target = symlinks.get(position.join('/'));
    if (target === undefined) continue;
    if (++expansions > mostExpansions) return false;
    if (target.startsWith('/')) return true;
    position.pop();
    ahead.push(...reversed(target));
  }
}

function reversed(target: string): string[] {
  return target.split('/').reverse();
}
