import type { Prompt } from 'ssh2';

/** Why the questions of a server cannot be answered. */
export interface PromptProblem {
  /** `again`: it wants the password once more, so the first one was wrong. */
  readonly kind: 'expired' | 'question' | 'again';
  /** What it asks, made safe to print; empty when it asked nothing in words. */
  readonly text: string;
}

/** What PAM says of an expired password (pam_unix, pam_chauthtok), and what it asks then. */
const expired =
  /required to change your password|password (?:has |is )?expired|\bnew (?:unix |smb )?password|\bretype\b|\(?current\)?(?: unix)? password/i;
const secondFactor = /\b(?:one[- ]?time|otp|verification|token|passcode|pin|code|challenge|yubikey)\b/i;

/**
 * Whether a server's questions (keyboard-interactive, RFC 4256) are the one for the password: a single one whose answer is not shown, and
 * which is none for a second factor. Undefined: they are.
 */
export function judgePrompts(
  { instructions, prompts }: { readonly instructions: string; readonly prompts: readonly Prompt[] },
  answered: boolean,
): PromptProblem | undefined {
  const [first] = prompts;
  const text = prompts.map(({ prompt }) => printable(prompt)).join(' ');
  if (expired.test(`${instructions}\n${text}`)) return { kind: 'expired', text };
  const asksOne = first !== undefined && prompts.length === 1 && first.echo !== true && !secondFactor.test(text);
  if (!asksOne) return { kind: 'question', text };
  return answered ? { kind: 'again', text } : undefined;
}

function printable(text: string): string {
  return text
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, 100);
}
