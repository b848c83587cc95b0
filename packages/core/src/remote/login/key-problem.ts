/** Why a key file cannot be used. The message says which file and what is wrong with it. */
export class KeyProblem extends Error {
  override readonly name = 'KeyProblem';
  /** What the user can do, one sentence. */
  readonly hint: string;

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.hint = hint;
  }
}

/** A key in a file that only the system's ssh can use, for example one whose private half is in a hardware token. */
export class OpensshOnlyKey extends KeyProblem {}

/** An agent that was asked in vain. */
export class AgentProblem extends KeyProblem {}

export function needsPassphrase(file: string): KeyProblem {
  return new KeyProblem(
    `the key ${file} needs a passphrase`,
    `Load it into an SSH agent (ssh-add ${file}) and start again with SSH_AUTH_SOCK set, or give its passphrase.`,
  );
}

export function wrongPassphrase(file: string): KeyProblem {
  return new KeyProblem(
    `the passphrase that was given for the key ${file} is wrong`,
    `Check it with: ssh-keygen -y -f ${file}`,
  );
}
