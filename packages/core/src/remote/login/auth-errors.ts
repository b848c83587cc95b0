import { BackupError } from '../../model/errors.js';
import { NeedsOpenssh } from '../needs-openssh.js';
import { AgentProblem } from './key-problem.js';
import type { KeyProblem } from './key-problem.js';
import type { Authenticator } from './authenticator.js';
import type { Server } from './server.js';

interface Refusal {
  readonly server: Server;
  readonly username: string;
  readonly authenticator: Authenticator;
  readonly opensshOnly: readonly string[];
}

/** HOST_AUTH for a server that lets nobody in, or HOST_KEY_FILE when no key could be offered because of the files: what was tried, in order, and never a secret. */
export function refused(refusal: Refusal, cause: (Error & { level?: string }) | undefined): BackupError {
  const { server, username, authenticator, opensshOnly } = refusal;
  const { tried, problems, notes, offered, prompt } = authenticator;
  if (prompt !== undefined && prompt.kind !== 'again') return unanswerable(refusal, prompt);
  const unusable = tried.length === 0 ? unusableKeys(server, problems, opensshOnly) : undefined;
  if (unusable !== undefined) return unusable;
  const said = cause?.level === 'client-authentication' || cause === undefined ? [] : [cause.message];
  const details = [
    tried.length === 0 ? 'no key was found to offer' : `tried: ${tried.join(', ')}`,
    ...problems.map(({ message }) => message),
    ...notes,
    ...(offered.length === 0 ? [] : [`the server takes: ${offered.join(', ')}`]),
    ...said,
  ];
  return new BackupError(
    'HOST_AUTH',
    `${server.title}: ${username}@${server.login.address} port ${server.login.port} refuses to log us in (${details.join('; ')})`,
    { host: server.host, cause: marked(opensshOnly, cause), hint: hintFor(refusal, cause) },
  );
}

/** HOST_KEY_FILE: there are key files, and none can be used; undefined when there is no such file. */
export function unusableKeys(
  server: Server,
  problems: readonly KeyProblem[],
  opensshOnly: readonly string[],
): BackupError | undefined {
  const first = problems.find((problem) => !(problem instanceof AgentProblem));
  if (first === undefined) return undefined;
  const text = problems.map(({ message }) => message).join('; ');
  return new BackupError('HOST_KEY_FILE', `${server.title}: ${text}`, {
    host: server.host,
    cause: marked(opensshOnly, first),
    hint: first.hint,
  });
}

function unanswerable({ server, username }: Refusal, prompt: NonNullable<Authenticator['prompt']>): BackupError {
  const asks = prompt.text === '' ? '' : ` ("${prompt.text}")`;
  const [text, hint] =
    prompt.kind === 'expired'
      ? [
          `the password of ${username} has expired, and the server wants a new one${asks}`,
          `Log in as ${username} by hand and change it.`,
        ]
      : [
          `the server asks what only a person can answer${asks}`,
          `Let ${username} log in with a key, or use a user without a one-time password.`,
        ];
  return new BackupError('HOST_AUTH', `${server.title}: ${text}`, { host: server.host, hint });
}

function hintFor({ server, username, authenticator }: Refusal, cause: Error | undefined): string {
  const { login } = server;
  const where = server.host ?? `the ${server.title}`;
  if (/too many authentication/i.test(cause?.message ?? ''))
    return 'Name the right key and set IdentitiesOnly=yes, so that no other is offered first, or raise MaxAuthTries in sshd_config.';
  if (authenticator.passwordRefused) return `Check the user (${username}) and the password for ${where}.`;
  const { offered } = authenticator;
  const takesPassword = offered.includes('password') || offered.includes('keyboard-interactive');
  if (!offered.includes('publickey') && takesPassword && login.password === undefined)
    return `It takes no keys: give the password, for example in ansible_password.`;
  return `Add the public key to ~${username}/.ssh/authorized_keys on ${where}, or set ansible_user and ansible_ssh_private_key_file.`;
}

function marked(opensshOnly: readonly string[], cause: unknown): unknown {
  return opensshOnly.length === 0 ? cause : new NeedsOpenssh(opensshOnly.join('; '), cause);
}
