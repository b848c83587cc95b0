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

/** A pattern that is asked often: without wildcards it is compared as it is. */
export interface Pattern {
  readonly negated: boolean;
  readonly fits: (text: string) => boolean;
}

/** One word of a `Host` line. */
export function compilePattern(word: string): Pattern {
  const negated = word.startsWith('!');
  const pattern = negated ? word.slice(1) : word;
  const isPlain = !/[*?]/.test(pattern);
  return { negated, fits: isPlain ? (text) => text === pattern : (text) => matchesPattern(text, pattern) };
}

/** Whether one pattern fits and no negated one does. */
export function fitsPatterns(text: string, patterns: readonly Pattern[]): boolean {
  const fitting = patterns.filter(({ fits }) => fits(text));
  return fitting.length > 0 && fitting.every(({ negated }) => !negated);
}
