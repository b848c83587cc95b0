/**
 * Whether the text is the pattern, in which `*` stands for any characters, also none, and `?` for one. Takes time in proportion to the
 * product of both lengths at most. Source: ssh_config(5), PATTERNS.
 */
export function matchesPattern(text: string, pattern: string): boolean {
  let position = 0;
  let place = 0;
  let afterStar = -1;
  let resume = 0;
  while (position < text.length) {
    const wanted = pattern.charAt(place);
    if (wanted === '*') {
      place += 1;
      afterStar = place;
      resume = position;
    } else if (wanted !== '' && (wanted === '?' || wanted === text.charAt(position))) {
      position += 1;
      place += 1;
    } else if (afterStar !== -1) {
      resume += 1;
      position = resume;
      place = afterStar;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(place));
}

/**
 * Whether one pattern of a list with commas fits and no negated one (`!pattern`) does. `lowerPatterns` compares with the patterns in
 * lower case, as ssh does for host names. Source: match_pattern_list in OpenSSH's match.c.
 */
export function matchesPatternList(text: string, list: string, options: { readonly lowerPatterns: boolean }): boolean {
  const patterns = (options.lowerPatterns ? list.toLowerCase() : list).split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(text, pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(text, pattern));
}
