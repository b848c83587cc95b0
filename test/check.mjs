/** `npm run check`: everything a machine can see without running the tests. All checks run; any that fails fails the whole. */
import { spawnSync } from 'node:child_process';

const checks = [
  ['build', 'npm', ['run', '--silent', 'build']],
  ['types', 'npx', ['tsc', '-p', 'tsconfig.json']],
  ['lint', 'npx', ['eslint', '--max-warnings', '0', '.']],
  ['format', 'npx', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['unused code', 'npx', ['knip']],
  ['package core', 'npx', ['publint', '--strict', 'packages/core']],
  ['package cli', 'npx', ['publint', '--strict', 'packages/cli']],
  ['package contents', 'node', ['test/package-contents.mjs']],
  ['public types', 'node', ['test/public-types.mjs']],
  ['types of core', 'npx', ['attw', '--pack', 'packages/core', '--profile', 'esm-only']],
];

const failed = [];
for (const [name, command, args] of checks) {
  const started = Date.now();
  const { status } = spawnSync(command, args, { stdio: 'inherit', timeout: 600_000 });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) {
  console.error(`check failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
