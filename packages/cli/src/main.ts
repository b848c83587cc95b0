import { fileURLToPath } from 'node:url';
import { run } from '@oclif/core/run';
import { flushOutput } from './output/standard-streams.js';

/**
 * Runs one command line and ends the process with its exit status. A command reports its own failures; what arrives here happened
 * before one was found, or is a defect.
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await run(withHelp(argv), { root: fileURLToPath(new URL('..', import.meta.url)) });
  } catch (error) {
    const { reportEarlyFailure } = await import('./base/failure.js');
    process.exitCode = reportEarlyFailure(error, argv);
  }
  const status = await flushOutput(Number(process.exitCode ?? 0));
  // Whatever a command left open (an agent's socket, a keep-alive) is no reason to wait.
  process.exit(status);
}

/** `help COMMAND` is `COMMAND --help`. */
function withHelp(argv: readonly string[]): string[] {
  const [first, ...others] = argv;
  return first === 'help' ? [...others, '--help'] : [...argv];
}
