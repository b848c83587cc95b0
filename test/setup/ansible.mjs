// Ansible in a Python environment of its own: the oracle for everything that reads an inventory.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms, installPackages } from './packages.mjs';
import { attempt, cacheDirectory, run, step } from './process.mjs';

const minute = 60_000;
const version = '2.19';
const environment = join(cacheDirectory, `ansible-${version}`);
const complete = join(environment, '.complete');

/** Returns the folder that holds ansible-inventory and its like. */
export async function ensureAnsible() {
  const programs = join(environment, 'bin');
  if (existsSync(complete) && (await attempt(join(programs, 'python'), ['-c', 'import ansible']))) return programs;
  await step(`installing ansible-core ${version}`, async () => {
    rmSync(environment, { recursive: true, force: true });
    await ensurePrograms({ python3: 'python3-venv' });
    const create = () => run('python3', ['-m', 'venv', environment]);
    // Debian's python3 comes without what venv needs, and says so only when asked to make one.
    if (!(await create().catch(() => undefined))) {
      await installPackages(['python3-venv'], 'a python3 that can make virtual environments');
      await create();
    }
    await run(join(programs, 'pip'), ['install', '--quiet', `ansible-core==${version}.*`], { deadline: 10 * minute });
    writeFileSync(complete, '');
  });
  return programs;
}
