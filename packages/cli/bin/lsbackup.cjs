#!/usr/bin/env node
'use strict';
/*
 * Answers `--version` by itself, because a script that asks for it should not wait for anything to load, and sizes the thread pool
 * that compresses: libuv reads UV_THREADPOOL_SIZE once, before the first module of ours could set it.
 */
const arguments_ = process.argv.slice(2);
const first = arguments_[0];

if (first === '--version') {
  // Not process.stdout: setting that stream up takes longer than all the rest.
  require('node:fs').writeSync(1, `lsbackup ${require('../package.json').version}\n`);
} else {
  if (!process.env.UV_THREADPOOL_SIZE) {
    const cores = require('node:os').availableParallelism();
    process.env.UV_THREADPOOL_SIZE = String(Math.max(4, cores + 2));
  }
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
