const mebibyte = 1024 * 1024;

/** A writer makes no larger part, and a reader refuses one, so that it never has to hold more. */
export const maximumPartBytes = 64 * mebibyte;
