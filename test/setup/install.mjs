// `npm ci`, unless what is installed already comes from this very lock file.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, step } from './process.mjs';

const minute = 60_000;
const stampFile = join(root, 'node_modules/.installed-from');

export async function ensureInstalled() {
  const stamp = stampOf(['package-lock.json', 'package.json', '.npmrc'], process.version);
  if (readOrEmpty(stampFile) === stamp) return;
  await step('npm ci', () => run('npm', ['ci', '--no-audit', '--no-fund'], { deadline: 10 * minute }));
  writeFileSync(stampFile, stamp);
}

function stampOf(names, salt) {
  const hash = createHash('sha256').update(salt);
  for (const name of names) hash.update(`\0${name}\0`).update(readOrEmpty(join(root, name)));
  return hash.digest('hex');
}

function readOrEmpty(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await ensureInstalled();
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
