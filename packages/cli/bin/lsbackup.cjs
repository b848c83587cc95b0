#!/usr/bin/env node
'use strict';
/*
 * Answers `--version` by itself, because a script that asks for it should not wait for anything to load, and sets what must be set before
 * the first module loads: the size of the thread pool that compresses (libuv reads UV_THREADPOOL_SIZE once), a V8 that keeps its young
 * generation small, and a home directory.
 */
const arguments_ = process.argv.slice(2);
const first = arguments_[0];

if (first === '--version') {
  // Not process.stdout: setting that stream up takes longer than all the rest.
  try {
    require('node:fs').writeSync(1, `lsbackup ${require('../package.json').version}\n`);
  } catch (error) {
    // A reader that has gone has not asked for anything.
    if (error.code !== 'EPIPE') {
      process.exitCode = 1;
      process.stderr.on('error', () => {}).write(`Error: standard output cannot be written: ${error.message}\n`);
    }
  }
} else {
  if (!process.env.UV_THREADPOOL_SIZE) {
    const cores = require('node:os').availableParallelism();
    process.env.UV_THREADPOOL_SIZE = String(Math.max(4, cores + 2));
  }
  // A backup makes garbage without end and keeps next to nothing: a young generation that grew to its usual 32 MiB would only be filled and
  // searched in larger steps (docs/adr/0004).
  require('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
  // Without HOME the home directory is the one in the passwd file, where the user of a container need not be; / is what its runtime
  // would have set.
  if (!process.env.HOME) {
    try {
      process.env.HOME = require('node:os').homedir();
    } catch {
      process.env.HOME = '/';
    }
  }
  // oclif looks the shell up there as well, for nothing that is used here.
  process.env.SHELL ??= '/bin/sh';
  // `lsbackup -b DIR -t TARGET` is `lsbackup backup`.
  const isBackup = first !== undefined && first.startsWith('-') && first !== '-h' && first !== '--help';
  import('../dist/main.js').then(
    ({ main }) => main(isBackup ? ['backup', ...arguments_] : arguments_),
    (error) => {
      process.stderr.write(`lsbackup could not be loaded: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    },
  );
}
