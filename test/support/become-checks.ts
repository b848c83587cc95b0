import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect } from '@jest/globals';
import type { Become } from '../../packages/core/src/cluster/cluster.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import { name, throughProxy, type BecomeHost } from './become-host.js';
import { drain, rejection } from './sample-remote.js';
import { running, untilGone, untilRuns } from './test-users.js';

// What works without a password works with one.

const mebibyte = 1024 * 1024;

/** Every way to run a command, as root and as another user, gives what it should and nothing more. */
export async function useAllWays(remote: RemoteHost): Promise<void> {
  for (const user of ['root', 'www-data']) {
    const who = await remote.run({ argv: ['sh', '-c', 'id -un; echo ~; echo "$HOME"'], become: user });
    expect(who.stdout.toString().split('\n')[0]).toBe(user);
    expect(who.stdout.toString().split('\n')[1]).toBe(who.stdout.toString().split('\n')[2]);
    expect(who.stderr).toBe('');
    const echoed = await remote.run({ argv: ['cat'], become: user }, { input: Buffer.from('in put\n') });
    expect(echoed.stdout.toString()).toBe('in put\n');
    expect((await remote.run({ argv: ['cat'], become: user }, { input: Buffer.alloc(0) })).stdout).toHaveLength(0);
    expect((await remote.run({ argv: ['sh', '-c', 'exit 7'], become: user, accept: [7] })).status).toBe(7);
    expect(await rejection(remote.run({ argv: ['sh', '-c', 'kill -9 $$'], become: user }))).toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringContaining('signal 9'),
    });
  }
  await using talk = await remote.start({
    argv: ['sh', '-c', 'while read -r line; do echo "got $line"; done'],
    become: 'root',
  });
  talk.stdin.write('one\n');
  expect(String((await once(talk.stdout, 'data'))[0])).toBe('got one\n');
  talk.stdin.end('two\n');
  talk.stdout.resume();
  expect(await talk.exit).toBe(0);
}

/** Random bytes to the host and back are the same. */
export async function moveBothWays(remote: RemoteHost, mebibytes: number): Promise<void> {
  const piece = randomBytes(mebibyte);
  const sent = createHash('sha256');
  for (let count = 0; count < mebibytes; count += 1) sent.update(piece);
  const file = `/var/tmp/${name}`;
  const pieces = Readable.from(Array.from({ length: mebibytes }, () => piece));
  await remote.write({ argv: ['sh', '-c', 'cat > "$1"', 'sh', file], become: 'root' }, pieces);
  const received = createHash('sha256');
  const back = await remote.read({ argv: ['sh', '-c', 'cat "$1"; rm "$1"', 'sh', file], become: 'root' });
  for await (const bytes of back as AsyncIterable<Buffer>) received.update(bytes);
  expect(received.digest('hex')).toBe(sent.digest('hex'));
}

/** Whatever ends the command at our side, nothing of it is left on the host. */
export async function endAllWays(remote: RemoteHost, root: RemoteHost): Promise<void> {
  for (const user of ['root', 'www-data']) {
    const controller = new AbortController();
    const stream = await remote.read({ argv: ['sleep', '3401'], become: user }, { signal: controller.signal });
    const end = drain(stream);
    await untilRuns(root, 'sleep 3401');
    controller.abort(new Error('stop'));
    expect(await end).toMatchObject({ error: { code: 'ABORTED' } });
    expect(await running(root, 'sleep 3401')).toBe('');
    const session = await remote.start({ argv: ['sh', '-c', 'sleep 3402; cat'], become: user });
    await untilRuns(root, 'sleep 3402');
    await session[Symbol.asyncDispose]();
    expect(await running(root, 'sleep 3402')).toBe('');
  }
}

/** The host itself ends a silent command when the connection is cut. */
export async function cutConnection(the: BecomeHost, method: Become['method'], password: string): Promise<void> {
  await throughProxy(async (change, cut) => {
    await using remote = await the.connect(method, password, change);
    const silence = drain(await remote.read({ argv: ['sleep', '3403'], become: 'root' }));
    await untilRuns(the.root, 'sleep 3403');
    cut();
    expect(await silence).toMatchObject({ error: { code: 'STREAM_CUT' } });
    await untilGone(the.root, 'sleep 3403');
  });
}
