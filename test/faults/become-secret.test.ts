import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { becomeHost, name, password, rootPassword, type BecomeHost } from '../support/become-host.js';
import { drain, rejection } from '../support/sample-remote.js';
import { asRoot } from '../support/test-users.js';

// Where a password for sudo or su could be seen on either side.

jest.setTimeout(120_000);

let the: BecomeHost;

beforeAll(async () => {
  the = await becomeHost();
});

afterAll(async () => the[Symbol.asyncDispose]());

describe('the password', () => {
  it.each([
    ['sudo', password],
    ['su', rootPassword],
  ] as const)('of %s is seen nowhere', async (method, text) => {
    await the.allow(`Defaults:${name} timestamp_timeout=0, use_pty`);
    await using remote = await the.connect(method, text);
    const controller = new AbortController();
    const seen: string[] = [];
    const stream = await remote.read({ argv: ['sleep', '3404'], become: 'root' }, { signal: controller.signal });
    const end = drain(stream);
    for (let samples = 0; samples < 20; samples += 1) {
      void remote.run({ argv: ['true'], become: 'root' }).catch(() => undefined);
      seen.push(await processesOf(the.root), await localProcesses());
      await delay(20);
    }
    controller.abort();
    const { error } = await end;
    const refused = await rejection(the.connect(method, `${text}x`));
    seen.push(inspect([error, refused, remote], { depth: 10 }), JSON.stringify([error, refused, remote.host]));
    expect(seen.join('')).toContain('3404');
    expect(seen.some((sample) => sample.includes(text))).toBe(false);
  });
});

async function processesOf(remote: RemoteHost): Promise<string> {
  const script = 'ps -efww; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\000" "\\n" || true';
  return asRoot(remote, script);
}

async function localProcesses(): Promise<string> {
  const processes = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const files = processes.flatMap((id) => [`/proc/${id}/cmdline`, `/proc/${id}/environ`]);
  return (await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))).join('\n');
}
