import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryDirectory } from '../../../../test/support/lsbackup.js';
import { rejection, sampleRemote } from '../../../../test/support/sample-remote.js';
import { Secret } from '../model/secret.js';
import { BecomeDialogue, mayAsk } from './become-dialogue.js';

/** Asks on standard output and takes up to 127 bytes at once (busybox, libbb/bb_askpass.c). */
const busyboxSu = `#!/bin/sh
printf 'Password: '
answer=$(dd bs=127 count=1 2>/dev/null)
echo
test "$answer" = hush || { sleep 0.1; echo 'su: incorrect password' >&2; exit 1; }
shift 3
command=$1
shift 3
exec /bin/sh -c "$command" "$@"
`;
/** Puts our question into its own, and does not replace `%p` (sudo-rs, src/pam). */
const sudoRs = `#!/bin/sh
for attempt in 1 2 3; do
  printf '[sudo: %s] Password: ' "$3" >&2
  IFS= read -r answer || exit 1
  echo >&2
  test "$answer" = hush && break
  echo 'sudo: Authentication failed, try again.' >&2
done
test "$answer" = hush || { echo 'sudo: Maximum 3 incorrect authentication attempts' >&2; exit 1; }
shift 7
exec "$@"
`;

describe.each([
  ['su', busyboxSu, 'root'],
  ['sudo', sudoRs, 'someone'],
] as const)('another %s', (method, script, asked) => {
  const becoming = (password: string) => ({ become: { method, password: new Secret(password) } });

  /** The host finds its own programs first, and believes that nobody is root. */
  async function hostWith(directory: string) {
    const programs = [
      [method, script],
      ['id', '#!/bin/sh\necho 1000\n'],
    ] as const;
    for (const [name, text] of programs) await writeFile(path.join(directory, name), text, { mode: 0o755 });
    return sampleRemote({ environment: { PATH: `${directory}:/usr/bin:/bin` } });
  }

  it('gets the password, and the command its input', async () => {
    await using directory = await temporaryDirectory();
    await using sample = await hostWith(directory.path);
    const connected = await sample.connect(becoming('hush'));
    expect(connected.facts.loginIsRoot).toBe(false);
    const input = Buffer.from('the input\n'.repeat(1000));
    expect((await connected.run({ argv: ['cat'], become: 'root' }, { input })).stdout.equals(input)).toBe(true);
    expect((await connected.run({ argv: ['echo', 'out'], become: 'root' })).stdout.toString()).toBe('out\n');
  });

  it('gets no password of ours where its key is not the known one and is accepted all the same', async () => {
    await using directory = await temporaryDirectory();
    await using sample = await hostWith(directory.path);
    const hostKeys = await sample.changedKey();
    // The right one would let us in.
    expect(await rejection(sample.connect({ ...becoming('hush'), hostKeys }))).toMatchObject({
      code: 'HOST_KEY',
      host: 'sample1',
      message: `sample1: ${method} asks for a password, which is not sent, because the host's key is not the known one.`,
      hint: "Correct the host's line in its known_hosts file.",
    });
  });

  it('refuses a wrong password', async () => {
    await using directory = await temporaryDirectory();
    await using sample = await hostWith(directory.path);
    expect(await rejection(sample.connect(becoming('wrong')))).toMatchObject({
      code: 'HOST_SUDO',
      message: `sample1: ${method} does not accept the password for ${asked}.`,
    });
    expect(sample.server.running).toBe(0);
  });
});

describe('a question', () => {
  const marker = 'lsbackup-0123';
  const listen = (method: 'sudo' | 'su', password?: string) => {
    const answers: string[] = [];
    const dialogue = new BecomeDialogue({
      marker,
      become: { method, password: password === undefined ? undefined : new Secret(password) },
      place: { host: 'db1', login: 'ops', method },
      answer: (line) => answers.push(line),
    });
    return { dialogue, answers };
  };

  it.each([
    ['a login shell that shows the line it got', `+ sudo -S -p ${marker}-asks-%p: -H\n`],
    ['a login shell that greets', 'Your Password: '],
    ['the end of the marker', `${marker}-becom`],
    ['a lecture', `${marker}-become\nWe trust you have received the usual lecture. Password: \n`],
  ])('is not %s', (_name, text) => {
    for (const output of ['stdout', 'stderr'] as const) {
      const { dialogue, answers } = listen('sudo', 'hush');
      expect(dialogue.hear(output, text)).toBeUndefined();
      expect(answers).toEqual([]);
    }
  });

  it('that comes in pieces is answered once, and asked again is not', () => {
    const { dialogue, answers } = listen('sudo', 'hush\r\n');
    const text = `noise\n${marker}-become\n${marker}-asks-ops:`;
    for (let length = 0; length <= text.length; length += 1)
      expect(dialogue.hear('stderr', text.slice(0, length))).toBeUndefined();
    expect(answers).toEqual(['hush\n']);
    expect(dialogue.hear('stderr', `${text}Sorry, try again.\n${marker}-asks-ops:`)).toMatchObject({
      message: 'db1: sudo does not accept the password for ops.',
    });
    expect(dialogue.isAsked).toBe(true);
    expect(answers).toHaveLength(1);
  });

  it('without a password ends the matter', () => {
    const { dialogue, answers } = listen('su');
    expect(dialogue.hear('stderr', `${marker}-become\nPassword: `)).toMatchObject({ code: 'HOST_SUDO' });
    expect(answers).toEqual([]);
  });

  it('is possible with a password, and always with su', () => {
    const password = new Secret('hush');
    expect(mayAsk(undefined)).toBe(false);
    expect(mayAsk({ method: 'sudo', password: undefined })).toBe(false);
    expect(mayAsk({ method: 'sudo', password })).toBe(true);
    expect(mayAsk({ method: 'su', password: undefined })).toBe(true);
  });
});
