/** At most three of the known names that the text may have been meant for, the nearest first. */
export function nearNames(text: string, known: Iterable<string>): readonly string[] {
  const most = Math.max(1, Math.floor(text.length / 3));
  const near: { readonly name: string; readonly distance: number }[] = [];
  for (const name of new Set(known)) {
    if (Math.abs(name.length - text.length) > most) continue;
    const distance = editDistance(text.toLowerCase(), name.toLowerCase());
    if (distance <= most) near.push({ name, distance });
  }
  near.sort((left, right) => left.distance - right.distance);
  return near.slice(0, 3).map(({ name }) => name);
}

/** Characters to insert, remove or replace (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let index = 1; index <= from.length; index += 1) {
    const next = [index];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (from[index - 1] === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
