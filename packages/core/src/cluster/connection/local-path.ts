import { hostname } from 'node:os';
import { join, resolve } from 'node:path';

import type { LocalUser } from '../cluster.js';
import type { SshOption } from './ssh-options.js';
import { expandTokens } from './ssh-tokens.js';

/** The values of ssh's tokens in the names of local files. Source: ssh_config(5), TOKENS; without `%C`, whose meaning changed. */
export function fileTokens(
  user: LocalUser,
  server: {
    readonly name: string;
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly alias: string;
  },
): ReadonlyMap<string, string> {
  const local = hostname();
  return new Map([
    ['d', user.homeDirectory],
    ['h', server.host],
    ['i', String(process.getuid?.() ?? '')],
    ['k', server.alias],
    ['L', local.split('.')[0] ?? local],
    ['l', local],
    ['n', server.name],
    ['p', String(server.port)],
    ['r', server.user],
    ['u', user.name],
  ]);
}

/**
 * Absolute, with `~`, ssh's tokens and `${HOME}` expanded; a relative path counts from the working directory, as with ssh. Throws the
 * refusal of the option's place for another user's home directory and for another variable: the environment is not read here.
 */
export function localPath(
  name: string,
  user: LocalUser,
  tokens: () => ReadonlyMap<string, string>,
  option: SshOption,
): string {
  const plain = tilde(name, user, option);
  const variables = plain.includes('%') ? expandTokens(plain, tokens(), option.place) : plain;
  const expanded = variables.replace(/\$\{([^}]*)\}/g, (_, variable: string) => {
    if (variable === 'HOME') return user.homeDirectory;
    if (variable === 'SSH_AUTH_SOCK' && user.agentSocket !== undefined) return user.agentSocket;
    throw option.place.refusal(
      `the path in ${option.keyword} needs a variable of the environment`,
      'Write the path out.',
    );
  });
  return resolve(expanded);
}

function tilde(name: string, user: LocalUser, { keyword, place }: SshOption): string {
  if (name === '~') return user.homeDirectory;
  if (name.startsWith('~/')) return join(user.homeDirectory, name.slice(2));
  if (!name.startsWith('~')) return name;
  throw place.refusal(`the path in ${keyword} is in another user's home directory`, 'Write the path out.');
}
