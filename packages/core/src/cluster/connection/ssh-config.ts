import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { systemReason } from '../../model/system-errors.js';
import { parseConfigFile } from './ssh-config-file.js';
import type { ConfigFile } from './ssh-config-file.js';
import { filesMatching } from './ssh-include.js';
import type { OptionPlace } from './ssh-options.js';

/** Source: READCONF_MAX_DEPTH in OpenSSH's readconf.c. */
const deepestInclude = 16;
const systemDirectory = '/etc/ssh';

/** The configuration files of ssh that are read where no `-F` names another one. */
export interface SshConfigPaths {
  readonly user: string;
  readonly system: string;
}

/** How one file is read. */
interface Reading {
  readonly path: string;
  readonly ofUser: boolean;
  readonly depth: number;
}

/** Reads the configuration files of ssh, each once however many hosts need it. */
export class SshConfigs {
  private readonly read = new Map<string, Promise<readonly ConfigFile[]>>();

  constructor(
    private readonly homeDirectory: string,
    private readonly paths: SshConfigPaths,
  ) {}

  /**
   * The files that count, in order: those of the user and of the system, or the one that `-F` names (`none`: no file). A relative path
   * counts from the working directory. Throws CONFIG_INVALID, with `file:line` where a line is wrong, for what ssh would refuse: an
   * unreadable file, one that others may write to, a line that cannot be read.
   */
  files(named: string | undefined): Promise<readonly ConfigFile[]> {
    const key = named ?? '';
    let files = this.read.get(key);
    if (files === undefined) {
      files = named === undefined ? this.usual() : this.named(named);
      this.read.set(key, files);
    }
    return files;
  }

  private async usual(): Promise<readonly ConfigFile[]> {
    const { user, system } = this.paths;
    const own = await this.load({ path: user, ofUser: true, depth: 0 }, { mayBeMissing: true, guarded: true });
    const shared = await this.load({ path: system, ofUser: false, depth: 0 }, { mayBeMissing: true, guarded: false });
    return [...own, ...shared];
  }

  private async named(path: string): Promise<readonly ConfigFile[]> {
    if (path.toLowerCase() === 'none') return [];
    return this.load({ path, ofUser: true, depth: 0 }, { mayBeMissing: false, guarded: false });
  }

  private async load(
    file: Reading,
    rules: { readonly mayBeMissing: boolean; readonly guarded: boolean },
  ): Promise<readonly ConfigFile[]> {
    let content: string;
    try {
      content = await readFile(file.path, 'utf8');
    } catch (error) {
      if (rules.mayBeMissing && isMissing(error)) return [];
      throw new BackupError(
        'CONFIG_INVALID',
        `cannot read the ssh configuration ${file.path}: ${systemReason(error)}`,
        {
          cause: error,
          hint: 'A relative path counts from the directory that lsbackup is started in.',
        },
      );
    }
    if (rules.guarded) await refuseForeign(file.path);
    const included = (patterns: readonly string[], place: OptionPlace): Promise<readonly ConfigFile[]> =>
      this.include(patterns, place, file);
    return [await parseConfigFile(content, file, included)];
  }

  private async include(
    patterns: readonly string[],
    place: OptionPlace,
    from: Reading,
  ): Promise<readonly ConfigFile[]> {
    if (from.depth === deepestInclude) throw place.fault('the configuration files include each other too deeply');
    const files: ConfigFile[] = [];
    for (const pattern of patterns) {
      for (const path of await filesMatching(this.anchored(pattern, place, from.ofUser))) {
        const reading = { path, ofUser: from.ofUser, depth: from.depth + 1 };
        files.push(...(await this.load(reading, { mayBeMissing: true, guarded: true })));
      }
    }
    return files;
  }

  private anchored(pattern: string, place: OptionPlace, ofUser: boolean): string {
    if (pattern.startsWith('~')) {
      if (!ofUser) throw place.fault('a system-wide configuration cannot include files by "~"');
      if (pattern.startsWith('~/')) return join(this.homeDirectory, pattern.slice(2));
      throw place.refusal(`${pattern} is in another user's home directory`, 'Write the path out.');
    }
    if (isAbsolute(pattern)) return pattern;
    return join(ofUser ? join(this.homeDirectory, '.ssh') : systemDirectory, pattern);
  }
}

/** Also a directory among the files that an `Include` fits: ssh reads nothing from it. */
function isMissing(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return error.code === 'ENOENT' || error.code === 'EISDIR';
}

/**
 * A file that another user may change could send the backup elsewhere. Writable by the group is allowed where the group has the number
 * of its owner, as private groups have. Source: read_config_file_depth in OpenSSH's readconf.c, and Debian's patch of it.
 */
async function refuseForeign(path: string): Promise<void> {
  const { uid, gid, mode } = await stat(path);
  const owned = uid === 0 || uid === process.getuid?.();
  const writable = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== uid);
  if (owned && !writable) return;
  throw new BackupError('CONFIG_INVALID', `${path}: others may change this ssh configuration, so it is not read`, {
    hint: `Make it yours alone: chmod go-w ${path}, and chown where it belongs to another user.`,
  });
}
