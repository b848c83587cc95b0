import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { ConfigChoice, LocalUser, Logger } from '@lsbackup/core';
import { localDriver, openStore, type Store } from '@lsbackup/core/store';
import { expandPath } from './expand-path.js';
import { standardError } from '../output/standard-streams.js';

// eslint-disable-next-line no-restricted-syntax -- this is the one place
export const environment: Readonly<Record<string, string | undefined>> = process.env;

/** Who runs the program. */
export function localUser(): LocalUser {
  const { SSH_AUTH_SOCK: agentSocket, SHELL: shell } = environment;
  return { name: userName(), homeDirectory: homedir(), ...(agentSocket && { agentSocket }), ...(shell && { shell }) };
}

/**
 * Where Ansible's own settings say vault passwords come from: the environment, which is stronger, or its configuration file; a list is
 * separated by commas. Source: `ansible-config list`.
 */
export function vaultEnvironment(configured: { readonly file: string | undefined; readonly ids: readonly string[] }): {
  readonly ids: readonly string[];
  readonly files: readonly string[];
} {
  const { ANSIBLE_VAULT_IDENTITY_LIST: ids, ANSIBLE_VAULT_PASSWORD_FILE: inherited } = environment;
  const named = ids?.split(',').map((id) => id.trim()) ?? configured.ids;
  const file = inherited ?? configured.file;
  return { ids: named.filter((id) => id !== ''), files: file ? [file] : [] };
}

/**
 * Where Ansible's configuration is besides the build directory, with the variables that are stronger. Source: Ansible documentation, "The
 * configuration file".
 */
export function ansibleConfig({ homeDirectory }: LocalUser): ConfigChoice {
  const { ANSIBLE_CONFIG: file } = environment;
  return {
    ...(file && { ansibleConfig: expandPath(file, environment, homeDirectory) }),
    ansibleDefaults: [join(homeDirectory, '.ansible.cfg'), '/etc/ansible/ansible.cfg'],
    ansibleVariables: environment,
  };
}

/** The paths in ANSIBLE_INVENTORY, separated by commas: absolute, but for empty ones; undefined where it is not set. */
export function ansibleInventory({ homeDirectory }: LocalUser): readonly string[] | undefined {
  const { ANSIBLE_INVENTORY: value } = environment;
  const absolute = (path: string): string =>
    path === '' ? '' : expandPath(path.replaceAll('{{CWD}}', process.cwd()), environment, homeDirectory);
  return value?.split(',').map((path) => absolute(path.trim()));
}

/** Where this program keeps what must outlive it: journals of restores. Source: XDG Base Directory Specification. */
export function stateDirectory(): string {
  const { XDG_STATE_HOME: home } = environment;
  return join(home?.startsWith('/') === true ? home : join(homedir(), '.local/state'), 'lsbackup');
}

/** Whether lines on standard error can be redrawn in place: it is a terminal, knows escape sequences, and is no log of a CI job. */
export function redrawsLines(): boolean {
  return process.stderr.isTTY && environment.TERM !== 'dumb' && !environment.CI;
}

/** In a container the user may have a number and nothing else. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    const named = [environment.USER, environment.LOGNAME].find((name) => name);
    return named ?? String(process.getuid?.() ?? 'unknown');
  }
}

/** The stores this program has. */
export function openTarget(target: string, signal: AbortSignal): Promise<Store> {
  return openStore(target, [localDriver], { signal });
}

const redacted = ['password', 'passphrase', 'privateKey', 'token', 'secret'];

/** A pino logger on standard error, written synchronously so that nothing is lost at exit; undefined at level `silent`. */
export async function createLogger(level: string): Promise<Logger | undefined> {
  if (level === 'silent') return undefined;
  const { pino } = await import('pino');
  const paths = redacted.flatMap((name) => [name, `*.${name}`]);
  const destination = pino.destination({ dest: 2, sync: true });
  destination.on('error', (error: NodeJS.ErrnoException) => standardError.fail(error));
  const logger: Logger = pino({ level, redact: { paths, censor: '[secret]' } }, destination);
  return logger;
}
