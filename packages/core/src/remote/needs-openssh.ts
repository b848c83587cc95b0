/** The `cause` of an error that this process's own SSH cannot get around, but the system's ssh may. */
export class NeedsOpenssh extends Error {
  override readonly name = 'NeedsOpenssh';

  /** What ours lacks, for a notice: `the server takes no key exchange that ...`. */
  constructor(why: string, cause?: unknown) {
    super(why, cause === undefined ? undefined : { cause });
  }
}

/** Why the system's ssh may succeed where this error came from; undefined when it would meet the same end. */
export function whyOpenssh(error: unknown): string | undefined {
  for (let current = error; current instanceof Error; current = current.cause)
    if (current instanceof NeedsOpenssh) return current.message;
  return undefined;
}
