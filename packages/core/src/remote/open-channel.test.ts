import { describe, expect, it } from '@jest/globals';
import { BackupError } from '../model/errors.js';
import { openChannel } from './open-channel.js';
import type { Channel, ChannelReceiver } from './transport.js';

const deaf: ChannelReceiver = {
  output: () => true,
  error: () => undefined,
  exit: () => undefined,
  ended: () => undefined,
  failed: () => undefined,
  closed: () => undefined,
};

interface FakeChannel extends Channel {
  receiver: ChannelReceiver | undefined;
  closes: number;
}

function fakeChannel(): FakeChannel {
  const channel: FakeChannel = {
    receiver: undefined,
    closes: 0,
    listen: (receiver) => void (channel.receiver = receiver),
    resume: () => undefined,
    write: (_chunk, callback) => callback(),
    end: () => undefined,
    close: () => void (channel.closes += 1),
  };
  return channel;
}

describe('openChannel', () => {
  const lost = (): BackupError => new BackupError('STREAM_CUT', 'connection lost');

  it('hands the channel on before anything else can happen to it', async () => {
    const channel = fakeChannel();
    const statuses: unknown[] = [];
    await openChannel(
      (callback) => {
        callback(undefined, channel);
        // What ssh2 does when the answer and the exit status come in one TCP segment: a listener added a microtask later is too late.
        channel.receiver?.exit(0, undefined);
      },
      {
        use: (opened) => opened.listen({ ...deaf, exit: (status) => statuses.push(status) }),
        signal: undefined,
        host: 'a',
        lost,
      },
    );
    expect(statuses).toEqual([0]);
  });

  it('fails with what went wrong with the channel, and closes it', async () => {
    const channel = fakeChannel();
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
    expect(channel.closes).toBe(1);
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
