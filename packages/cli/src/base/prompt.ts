import { on } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import type { Secret } from '@lsbackup/core';
import { abortError, BackupError } from '@lsbackup/core/store';

/**
 * Asks the person at the terminal for a password, which is not shown. It is the controlling terminal that is asked, whatever standard
 * input and output are, as ssh and sudo do. A person may take any time: only `signal` ends the wait, and Ctrl-C means what it always
 * does. Nothing entered means `otherwise`. Errors: USAGE when there is no terminal, or when nothing is entered and there is no
 * `otherwise`; what `signal` aborts with.
 */
export async function promptSecret(question: string, signal: AbortSignal, otherwise?: Secret): Promise<Secret> {
  const { Secret } = await import('@lsbackup/core');
  const terminal = openTerminal(question);
  const input = new ReadStream(terminal).setEncoding('utf8');
  // The end of the input tells as much; what comes later is about a terminal that is gone.
  input.on('error', () => undefined);
  try {
    input.setRawMode(true);
    show(terminal, `${question}: `);
    const answer = await typedLine(input, signal);
    if (answer === '' && otherwise !== undefined) return otherwise;
    if (answer === '') throw new BackupError('USAGE', `${question}: nothing was entered`);
    return new Secret(answer);
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    input.setRawMode(false);
    show(terminal, '\n');
    input.destroy();
  }
}

/** Asks for a line that may be seen. Errors: USAGE when there is no terminal; what `signal` aborts with. */
export async function promptText(question: string, signal: AbortSignal): Promise<string> {
  const terminal = openTerminal(question);
  const input = new ReadStream(terminal).setEncoding('utf8');
  input.on('error', () => undefined);
  try {
    show(terminal, `${question}: `);
    return await typedLine(input, signal);
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    input.destroy();
  }
}

/** Whether there is a person to ask. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'));
    return true;
  } catch {
    return false;
  }
}

function openTerminal(question: string): number {
  try {
    return openSync('/dev/tty', 'r+');
  } catch (cause) {
    throw new BackupError('USAGE', `${question}: there is no terminal to ask at`, {
      hint: 'Give a file with the password instead, or run lsbackup in a terminal.',
      cause,
    });
  }
}

/** Keys as terminals send them when nobody edits the line for us (termios(3), raw mode). */
const keys = { interrupt: '\x03', endOfInput: '\x04', backspace: ['\x7f', '\b'], clear: '\x15', enter: ['\r', '\n'] };

/** What is typed up to the end of the line; empty when the terminal is lost. */
async function typedLine(input: ReadStream, signal: AbortSignal): Promise<string> {
  let line: string[] = [];
  for await (const [typed] of on(input, 'data', { signal, close: ['end', 'close'] }) as AsyncIterable<[string]>) {
    for (const key of typed) {
      if (keys.enter.includes(key) || key === keys.endOfInput) return line.join('');
      if (key === keys.interrupt) process.kill(process.pid, 'SIGINT');
      else if (key === keys.clear) line = [];
      else if (keys.backspace.includes(key)) line.pop();
      else line.push(key);
    }
  }
  return '';
}

/** A terminal that is lost shows nothing more, and nobody is there to be told. */
function show(terminal: number, text: string): void {
  try {
    writeSync(terminal, text);
  } catch {
    return;
  }
}
