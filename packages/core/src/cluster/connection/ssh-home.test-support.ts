import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach } from '@jest/globals';

import type { Connection } from '../cluster.js';
import { connect } from './connection.test-support.js';
import { SshConfigs } from './ssh-config.js';

let home: string;

/** A home directory for each test of a file, with the configuration of ssh in `.ssh/config` and the system's in `etc/ssh_config`. */
export function useSshHome(): void {
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'lsbackup-home-'));
  });
  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });
}

/** The path of something in the home directory. */
export function inHome(name: string): string {
  return join(home, name);
}

/** Writes a file there, and returns its path. */
export async function put(name: string, content: string, mode = 0o600): Promise<string> {
  const path = inHome(name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

/** How the host `web1` with these variables is reached by those files. */
export function reach(variables: Readonly<Record<string, string>> = {}): Promise<Connection> {
  const configs = new SshConfigs(home, { user: inHome('.ssh/config'), system: inHome('etc/ssh_config') });
  return connect.values(variables, { configs });
}
