/**
 * Writes oclif.manifest.json: what command look-up reads instead of loading every command; and dist/help.txt, which `lsbackup --help` prints.
 * Both are made anew by each build, so that they never hide a command that is newer than themselves.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Plugin } from '@oclif/core';

const root = join(import.meta.dirname, '..');
const file = join(root, 'oclif.manifest.json');
await rm(file, { force: true });

// The compiler leaves the output of a source that is gone, which would still be a command.
const commands = join(root, 'dist', 'commands');
for (const name of await readdir(commands)) {
  const source = join(root, 'src', 'commands', name.replace(/\.(js|d\.ts)(\.map)?$/, '.ts'));
  if (!existsSync(source)) await rm(join(commands, name));
}

const plugin = new Plugin({ root, type: 'core', isRoot: true, ignoreManifest: true, errorOnManifestCreate: true });
await plugin.load();
await writeFile(file, `${JSON.stringify(plugin.manifest, null, 2)}\n`);

const env = { ...process.env, NO_COLOR: '1' };
delete env.FORCE_COLOR;
const help = execFileSync(process.execPath, [join(root, 'bin', 'lsbackup.cjs'), 'help'], { env, encoding: 'utf8' });
const platform = `${process.platform}-${process.arch} node-${process.version}`;
await writeFile(join(root, 'dist', 'help.txt'), help.replace(platform, '{platform}'));
