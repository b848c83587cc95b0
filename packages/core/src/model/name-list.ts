const shownNames = 10;

/** The first ten names, and how many more there are; `total` where the caller kept only some of them. */
export function nameList(names: readonly string[], total = names.length): string {
  const shown = names.slice(0, shownNames);
  const more = total - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${String(more)} more` : '');
}
