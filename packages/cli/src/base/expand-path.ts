import { resolve } from 'node:path';

/**
 * The absolute path that Ansible takes a path in its environment for: `$NAME` and `${NAME}` of variables that are set, and then `~` for the
 * home directory, are replaced; relative to the working directory. Source: unfrackpath in ansible-core 2.19, utils/path.py, and
 * os.path.expandvars of Python. `~user` is not known and stays.
 */
export function expandPath(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
  homeDirectory: string,
): string {
  const named = path.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, plain?: string, braced?: string) => {
    return environment[plain ?? braced ?? ''] ?? all;
  });
  return resolve(named.replace(/^~(?=\/|$)/, () => homeDirectory));
}
