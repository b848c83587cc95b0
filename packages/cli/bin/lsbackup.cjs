#!/usr/bin/env node
'use strict';
/*
 * Answers `--version` and `--help` by itself, because who asks for them should not wait for anything to load, and sets what must be set before
 * the first module loads: the size of the thread pool that compresses (libuv reads UV_THREADPOOL_SIZE once), for some commands a V8 that
 * keeps its young generation small, and a home directory.
 */
const fs = require('node:fs');
const arguments_ = process.argv.slice(2);
const first = arguments_[0];

const answer = first === '--version' ? versionText() : isHelp(arguments_) ? helpText() : undefined;
if (answer !== undefined) {
  // Not process.stdout: setting that stream up takes longer than all the rest.
  try {
    fs.writeSync(1, answer);
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
  // What reads archives whole or writes them makes garbage without end and keeps next to nothing: a young generation that grew to its usual
  // 32 MiB would only be filled and searched in larger steps (docs/adr/0004). The other commands load faster without it.
  if (isBackup || ['backup', 'verify', 'extract'].includes(first))
    require('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
  import('../dist/main.js').then(
    ({ main }) => main(isBackup ? ['backup', ...arguments_] : arguments_),
    (error) => {
      process.stderr.write(`lsbackup could not be loaded: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    },
  );
}

function versionText() {
  return `lsbackup ${require('../package.json').version}\n`;
}

function isHelp([only, ...others]) {
  return (only === '--help' || only === '-h') && others.length === 0;
}

/** What `lsbackup help` says, as the build wrote it down; where it did not, that is asked. */
function helpText() {
  try {
    const text = fs.readFileSync(`${__dirname}/../dist/help.txt`, 'utf8');
    return text.replace('{platform}', `${process.platform}-${process.arch} node-${process.version}`);
  } catch {
    return undefined;
  }
}
