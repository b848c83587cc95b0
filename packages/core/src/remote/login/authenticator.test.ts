import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { AuthContext, Prompt } from 'ssh2';
import { rejection, sampleRemote } from '../../../../../test/support/sample-remote.js';
import type { SampleRemote } from '../../../../../test/support/sample-remote.js';
import type { Connection } from '../../cluster/cluster.js';
import { Secret } from '../../model/secret.js';

const password = new Secret('pass-of-the-test');

/** A server that asks these questions one after the other, and lets nobody in before all are answered with something. */
const asking =
  (methods: readonly ('keyboard-interactive' | 'password')[], ...rounds: readonly (readonly (string | Prompt)[])[]) =>
  (context: AuthContext): void => {
    if (context.method !== 'keyboard-interactive') {
      context.reject([...methods]);
      return;
    }
    const ask = (round: number): void => {
      const prompts = rounds[round];
      if (prompts === undefined) context.accept();
      else
        context.prompt(
          prompts.map((text) => (typeof text === 'string' ? { prompt: text, echo: false } : text)),
          () => ask(round + 1),
        );
    };
    ask(0);
  };

const withPassword = (sample: SampleRemote, change: Partial<Connection> = {}): Promise<unknown> =>
  sample.connect({ identityFiles: [], password, ...change });

describe('questions of a server', () => {
  it('are answered when the password is the only one', async () => {
    await using sample = await sampleRemote({ authenticate: asking(['keyboard-interactive'], ['Password: ']) });
    await withPassword(sample);
    expect(sample.server.commands).not.toEqual([]);
  });

  it.each([
    ['a code', [['Verification code: ']], 'Verification code:'],
    ['two at once', [['Password: ', 'Code: ']], 'Password: Code:'],
    ['something that is shown', [[{ prompt: 'Favourite colour? ', echo: true }]], 'Favourite colour?'],
    ['a code after the password', [['Password: '], ['One-time password: ']], 'One-time password:'],
    ['control characters', [['\u001B[0m\nToken\t: ']], '[0m Token :'],
  ])('are refused when they want %s', async (_, rounds, shown) => {
    await using sample = await sampleRemote({ authenticate: asking(['keyboard-interactive'], ...rounds) });
    const error = await rejection(withPassword(sample));
    expect(error).toMatchObject({
      code: 'HOST_AUTH',
      message: `sample1: the server asks what only a person can answer ("${shown}")`,
    });
    expect(inspect(error, { depth: 10 })).not.toContain(password.reveal());
  });

  it.each([
    ['New password: '],
    ['(current) UNIX password: '],
    ['You are required to change your password immediately.\nCurrent password: '],
  ])('%s means that the password has expired', async (text) => {
    await using sample = await sampleRemote({ authenticate: asking(['keyboard-interactive'], ['Password: '], [text]) });
    expect(await rejection(withPassword(sample))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('the password of someone has expired'),
    });
  });

  it('for the password once more mean that it was wrong, and it is not given again', async () => {
    const rounds = [['Password: '], ['Password: '], ['Password: ']];
    await using sample = await sampleRemote({ authenticate: asking(['keyboard-interactive', 'password'], ...rounds) });
    expect(await rejection(withPassword(sample))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining(
        '(tried: the password (keyboard-interactive); the server takes: keyboard-interactive, password)',
      ),
    });
  });
});

describe('ways to log in', () => {
  it('are those that the server offers', async () => {
    const seen: string[] = [];
    const authenticate = (context: AuthContext): void => {
      seen.push(context.method);
      if (context.method === 'password' && context.password === password.reveal()) context.accept();
      else context.reject(['password']);
    };
    await using sample = await sampleRemote({ authenticate });
    await sample.connect({ password });
    expect(seen).toEqual(['none', 'password']);
  });

  it('are none when the server wants a new password', async () => {
    const authenticate = (context: AuthContext): void => {
      if (context.method === 'password') context.requestChange('Choose another', () => undefined);
      else context.reject(['password']);
    };
    await using sample = await sampleRemote({ authenticate });
    expect(await rejection(withPassword(sample))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('has expired'),
    });
  });

  it('are told with what to do where the server takes passwords only, and there is none', async () => {
    await using sample = await sampleRemote({ authenticate: (context) => context.reject(['password']) });
    expect(await rejection(sample.connect())).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('the server takes: password'),
      hint: expect.stringContaining('ansible_password'),
    });
  });

  it('are none with a password where the key of the server is not the known one', async () => {
    const seen: string[] = [];
    const authenticate = (context: AuthContext): void => {
      seen.push(context.method);
      context.reject(['password', 'keyboard-interactive']);
    };
    await using sample = await sampleRemote({ authenticate });
    expect(await rejection(withPassword(sample, { hostKeys: await sample.changedKey() }))).toMatchObject({
      code: 'HOST_AUTH',
      message: expect.stringContaining('no password is given to a server whose key is not the known one'),
    });
    expect(seen).toEqual(['none']);
  });
});
