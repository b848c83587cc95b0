import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { FakeHost, runHere } from '../../testing/fake-host.js';
import { checkConfiguration } from './service-control.js';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'haproxy-check-'));
  writeFileSync(join(root, 'haproxy'), '#!/bin/sh\nprintf "%s\\n" "$NOTE|$TEXT|$HELLO" >&2\nexit 3\n');
  chmodSync(join(root, 'haproxy'), 0o755);
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

it("gives haproxy the variables of the unit's environment files, which are never run, and says what it answers", async () => {
  const file = '/etc/default/haproxy';
  const text = `NOTE=(a b\nTEXT="c\\\\n\nd"\nHELLO=x touch ${root}/executed\n`;
  const show = `Id=haproxy.service\nLoadState=loaded\nActiveState=inactive\nMainPID=0\nEnvironmentFiles=${file} (ignore_errors=yes)\nExecStart={ path=${root}/haproxy ; argv[]=${root}/haproxy -f x ; ignore_errors=no ; }\n`;
  // However the file is read: by this command, or by a shell that would have it run.
  const withFile = (words: readonly string[]) =>
    words.map((word) => (word === file ? join(root, 'environment') : word));
  writeFileSync(join(root, 'environment'), text);
  const remote = new FakeHost({
    name: 'lb1',
    rules: [
      { argv: /^systemctl show/, answer: { stdout: show } },
      { argv: /./, answer: (command, input) => runHere({ ...command, argv: withFile(command.argv) }, input) },
    ],
  });
  const check = checkConfiguration(remote, { files: ['/x'], signal: new AbortController().signal });
  await expect(check).rejects.toMatchObject({
    code: 'HAP_CHECK',
    message: expect.stringContaining(`(a b|c\\n; d|x touch ${root}/executed; status 3`) as unknown,
  });
  expect(existsSync(join(root, 'executed'))).toBe(false);
  expect(remote.transcript.join('\n')).not.toContain('(a b');
});
