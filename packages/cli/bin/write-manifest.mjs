/**
 * Writes oclif.manifest.json: what `--help` and command look-up read instead of loading every command. It is made anew by each
 * build, so that it never hides a command that is newer than itself.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Plugin } from '@oclif/core';

const root = join(import.meta.dirname, '..');
const file = join(root, 'oclif.manifest.json');
await rm(file, { force: true });
const plugin = new Plugin({ root, type: 'core', isRoot: true, ignoreManifest: true, errorOnManifestCreate: true });
await plugin.load();
await writeFile(file, `${JSON.stringify(plugin.manifest, null, 2)}\n`);
