import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { FakeHost, runHere } from '../testing/fake-host.js';

export const signal = new AbortController().signal;
export const here = (): FakeHost => new FakeHost({ rules: [{ argv: /./, answer: runHere }] });
export let root = '';

/** A directory for the tests of a file, with files and links. */
export function useHostDirectory(): void {
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'host-files-')));
    mkdirSync(join(root, 'real', 'certs'), { recursive: true });
    writeFileSync(join(root, 'real', 'haproxy.cfg'), 'global\n');
    writeFileSync(join(root, 'real', 'certs', "it's $HOME.pem"), 'key');
    writeFileSync(join(root, 'elsewhere.pem'), 'key');
    writeFileSync(join(root, '-dash'), 'x');
    symlinkSync('real', join(root, 'etc'));
    symlinkSync('../elsewhere.pem', join(root, 'real', 'linked.pem'));
    symlinkSync('nowhere', join(root, 'broken'));
  });
  afterAll(() => {
    rmSync(root, { recursive: true });
  });
}

/** A directory with one, `closed`, that may not be searched. */
export function closedDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'host-files-open-'));
  mkdirSync(join(path, 'closed/inner'), { recursive: true });
  chmodSync(path, 0o755);
  chmodSync(join(path, 'closed'), 0o000);
  return {
    path,
    [Symbol.dispose]: () => {
      chmodSync(join(path, 'closed'), 0o700);
      rmSync(path, { recursive: true });
    },
  };
}

/** This machine, for somebody who owns nothing. */
export function hostOfNobody(): FakeHost {
  const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  return new FakeHost({
    rules: [{ argv: /./, answer: (command, input) => runHere({ argv: [...asNobody, ...command.argv] }, input) }],
  });
}
