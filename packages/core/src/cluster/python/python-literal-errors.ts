/**
 * Thrown inside the literal reader: the text is no Python literal, so it stays text. One for all, because most values of an inventory
 * are plain text, and an error that is made anew looks at the stack each time.
 */
export const notLiteral = new Error('not a literal');

/** The text is a Python literal that Ansible refuses, or that no inventory can carry. The message completes "the value has ...". */
export class UnusableLiteral extends Error {}
