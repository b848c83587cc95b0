import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { ClientChannel } from 'ssh2';
import { BackupError } from '../model/errors.js';
import { openChannel } from './open-channel.js';

describe('openChannel', () => {
  const lost = (): BackupError => new BackupError('STREAM_CUT', 'connection lost');

  it('hands the channel on before anything else can happen to it', async () => {
    const channel = new EventEmitter() as unknown as ClientChannel;
    const statuses: unknown[] = [];
    await openChannel(
      (callback) => {
        callback(undefined, channel);
        // What ssh2 does when the answer and the exit status come in one TCP segment: a listener added a microtask later is too late.
        channel.emit('exit', 0);
      },
      {
        use: (opened) => opened.on('exit', (status: unknown) => statuses.push(status)),
        signal: undefined,
        host: 'a',
        lost,
      },
    );
    expect(statuses).toEqual([0]);
  });

  it('fails with what went wrong with the channel, and closes it', async () => {
    const closed: string[] = [];
    const calls = { resume: () => undefined, end: () => undefined, close: () => closed.push('channel') };
    const channel = { ...calls, stderr: calls } as unknown as ClientChannel;
    const use = (): never => {
      throw new Error('broken');
    };
    const opening = openChannel((callback) => callback(undefined, channel), {
      use,
      signal: undefined,
      host: 'a',
      lost,
    });
    await expect(opening).rejects.toMatchObject({ message: expect.stringContaining('broken') });
    expect(closed).toEqual(['channel']);
  });

  it('fails with what the connection died of when ssh2 throws', async () => {
    const open = (): never => {
      throw new Error('Not connected');
    };
    await expect(openChannel(open, { use: () => 0, signal: undefined, host: 'a', lost })).rejects.toMatchObject({
      code: 'STREAM_CUT',
    });
  });
});
