/**
 * The value of a JSON text. Throws a SyntaxError that says no more than that it is none: what JSON.parse says has words of the text in it, which
 * may be secret, and causes of errors are shown with --debug.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError('the text is not JSON');
  }
}
