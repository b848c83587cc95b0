import { BackupError } from '../model/errors.js';

/** What the wrapper itself complains about, such as a working directory that is missing. */
const ofTheWrapper = /^lsbackup: /m;

/** What shells that let nobody in say: nologin(8), rbash (bash(1), "Restricted shell"), sshd's internal-sftp, sftp-server, csh. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/account is (?:currently )?not available|not permitted to log ?in/i, 'the login shell lets nobody in'],
  [/restricted/i, 'the login shell is restricted'],
  [/allows sftp connections only/i, 'the login is for sftp only'],
  [/word too long/i, 'the login shell takes no word of the length needed'],
];

/**
 * Why a login shell did not run the line it got, for a text and a status that came in place of any marker: HOST_PREFLIGHT; undefined when
 * the shell did run it.
 */
export function shellError(
  end: { readonly status: number | undefined; readonly said: string },
  place: { readonly host: string; readonly login: string },
): BackupError | undefined {
  const { host, login } = place;
  if (end.status === undefined || ofTheWrapper.test(end.said)) return undefined;
  const said = end.said.trim().slice(-500);
  const printed = said === '' ? 'it printed nothing' : `it printed: ${said}`;
  const error = (why: string, hint: string): BackupError =>
    new BackupError('HOST_PREFLIGHT', `${host}: ${login} can log in, but ${why}; ${printed}`, { host, hint });
  // A shell that runs the line never ends well without its marker.
  if (end.status === 0)
    return error(
      'something else runs than what is sent',
      `Log in as a user without a forced command (command= in authorized_keys, ForceCommand in sshd_config) and whose shell start files do not exit.`,
    );
  const refused = refusals.find(([text]) => text.test(said))?.[1];
  if (refused !== undefined)
    return error(refused, `Give ${login} a usual shell on ${host}, or log in as another user.`);
  return error(
    `the login shell ended with status ${String(end.status)} and ran nothing`,
    `Make "ssh ${login}@${host} id" work: check the login shell, its start files and forced commands.`,
  );
}

/** What to look at when a command neither begins nor fails. */
export function hintNotBegun({ host, login }: { readonly host: string; readonly login: string }): string {
  return `Check that "ssh ${login}@${host} id" answers: the start files of the login shell must not wait for input nor start another program, and no forced command may take its place.`;
}
