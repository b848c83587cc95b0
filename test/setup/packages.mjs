// Debian packages that the tests need on the controller.
import { existsSync } from 'node:fs';
import { attempt, find, run, step } from './process.mjs';

const minute = 60_000;

/** `wanted` is a table of program -> Debian package; only what is missing is installed. */
export async function ensurePrograms(wanted) {
  const missing = Object.keys(wanted).filter((program) => !find(program));
  if (missing.length > 0)
    await installPackages([...new Set(missing.map((program) => wanted[program]))], missing.join(', '));
}

export async function installPackages(packages, missing) {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(`missing: ${missing}. On Debian or Ubuntu: sudo apt-get install ${packages.join(' ')}`);
  }
  await step(`installing ${packages.join(', ')}`, async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    // A machine may have a source that does not answer; the install says whether that matters.
    await attempt('apt-get', ['update', '-q'], { deadline: 3 * minute });
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], {
      env,
      deadline: 10 * minute,
    });
  });
}
