/** Thrown inside the literal reader: the text is no Python literal, so it stays text. */
export class NotLiteral extends Error {}

/** The text is a Python literal that Ansible refuses, or that no inventory can carry. The message completes "the value has ...". */
export class UnusableLiteral extends Error {}
