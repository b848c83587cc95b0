import { expect, it } from '@jest/globals';
import { FakeHost } from '../../testing/fake-host.js';
import type { StepContext } from '../restore.js';
import { replaceConfiguration, type ReplaceConfiguration } from './replace-configuration.js';

const params: ReplaceConfiguration = {
  host: 'lb1',
  directory: '/var/lib/lsbackup/restores/run/haproxy-lb1',
  roots: ['etc/haproxy'],
  configurationFiles: ['/etc/haproxy/haproxy.cfg'],
  shouldRun: true,
  ports: [],
};

/** Takes back what a container did not come up with; returns what the host was told. */
async function undo(ran: boolean, stopStatus = 0): Promise<string> {
  const show =
    'Id=haproxy.service\nLoadState=loaded\nActiveState=failed\nMainPID=0\nExecStart={ path=/opt/runc/runc ; argv[]=/opt/runc/runc run haproxy ; ignore_errors=no ; }\n';
  const remote = new FakeHost({
    name: 'lb1',
    rules: [
      { argv: /^systemctl show/, answer: { stdout: show } },
      { argv: /^systemctl stop/, answer: { status: stopStatus } },
      { argv: /^systemctl/, answer: {} },
      {
        argv: /^sh -c directory=\$1\nthere/s,
        answer: { stdout: 'old\nnew\nold\nchanging\nkept\n' },
      },
      { argv: /^sh -c while IFS/, answer: { status: 127 } },
      { argv: /^sh -c /, answer: {} },
    ],
  });
  const context = {
    remote: () => Promise.resolve(remote),
    signal: new AbortController().signal,
    warn: () => undefined,
  } as unknown as StepContext;
  await replaceConfiguration.revert!(context, params, { ran });
  return remote.transcript.join('\n');
}

it('starts the old container again where the one with the restored files did not come up', async () => {
  expect(await undo(true)).toMatch(/systemctl "\$how".* haproxy\.service restart/s);
});

it('leaves a service stopped that did not run, also where its unit went with the restored files', async () => {
  expect(await undo(false, 5)).toContain('systemctl stop haproxy.service');
});
