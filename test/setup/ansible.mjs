// Ansible in a Python environment of its own: the oracle for everything that reads an inventory.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms, installPackages } from './packages.mjs';
import { attempt, cacheDirectory, run, step } from './process.mjs';

const minute = 60_000;
/**
 * An oracle that changes by itself fails tests of an unchanged project. PyYAML 6.0.4 lets the last of several merged
 * mappings win, against the YAML merge key type (github.com/yaml/pyyaml/issues/953).
 */
const packages = ['ansible-core==2.19.14', 'Jinja2==3.1.6', 'PyYAML==6.0.3'];
const environment = join(cacheDirectory, 'ansible-2.19');
const complete = join(environment, '.complete');
const isComplete = () => existsSync(complete) && readFileSync(complete, 'utf8') === packages.join('\n');

/** Returns the folder that holds ansible-inventory and its like. */
export async function ensureAnsible() {
  const programs = join(environment, 'bin');
  if (isComplete() && (await attempt(join(programs, 'python'), ['-c', 'import ansible']))) return programs;
  await step(`installing ${packages.join(' ')}`, async () => {
    rmSync(environment, { recursive: true, force: true });
    await ensurePrograms({ python3: 'python3-venv' });
    const create = () => run('python3', ['-m', 'venv', environment]);
    // Debian's python3 comes without what venv needs, and says so only when asked to make one.
    if (!(await create().catch(() => undefined))) {
      await installPackages(['python3-venv'], 'a python3 that can make virtual environments');
      await create();
    }
    await run(join(programs, 'pip'), ['install', '--quiet', ...packages], { deadline: 10 * minute });
    writeFileSync(complete, packages.join('\n'));
  });
  return programs;
}
