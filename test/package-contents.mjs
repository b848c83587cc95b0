/** Part of `npm run check`: what the packages would publish is the program and nothing that only tests read. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
const onlyForTests = /\.test\.|\.test-support\.|\/fixtures\/|\.tsbuildinfo$/;
const needed = { 'packages/core': 'dist/index.js', 'packages/cli': 'oclif.manifest.json' };

for (const [folder, file] of Object.entries(needed)) {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '-w', folder], options));
  const paths = files.map(({ path }) => path);
  const faults = paths.filter((path) => onlyForTests.test(path)).map((path) => `${path} is only for tests`);
  if (!paths.includes(file)) faults.push(`${file} is missing`);
  for (const fault of faults) console.error(`${folder}: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}
