import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Secret } from '../model/secret.js';
import { commandLine, describeCommand, quoteArgument } from './quote.js';

const options = {
  marker: 'lsbackup-0123',
  usesInput: false,
  user: undefined,
  become: { method: 'sudo', password: undefined },
  loginIsRoot: false,
} as const;
const argument = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));

/** Runs a line as a login shell would, with standard input open and silent as an SSH channel is. */
async function run(
  line: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly status: unknown; readonly output: string }> {
  const child = spawn('/bin/sh', ['-c', line], { stdio: ['pipe', 'pipe', 'ignore'], env: environment });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [status] = (await once(child, 'close')) as unknown[];
  return { status, output: Buffer.concat(chunks).toString() };
}

describe('quoteArgument', () => {
  it('gives every argument back to the shell as it was', () => {
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 40 }), (argv) => {
        const line = `printf '%s\\0' ${argv.map(quoteArgument).join(' ')}`;
        const printed = execFileSync('/bin/sh', ['-c', line]);
        expect(printed).toEqual(Buffer.from(argv.map((text) => `${text}\0`).join('')));
      }),
      { numRuns: 30 },
    );
  });

  it('leaves plain words alone, and quotes what some shell would expand', () => {
    expect(['tar', '--one-file-system', '/etc/a.b', 'a=b'].map(quoteArgument)).toEqual([
      'tar',
      '--one-file-system',
      '/etc/a.b',
      'a=b',
    ]);
    expect(['', '=x', '~', "it's", 'a b', '*'].map(quoteArgument)).toEqual([
      "''",
      "'=x'",
      "'~'",
      String.raw`'it'\''s'`,
      "'a b'",
      "'*'",
    ]);
  });

  it('refuses a NUL byte', () => {
    expect(() => quoteArgument('a\0b')).toThrow('NUL');
  });
});

describe('commandLine', () => {
  it('is one line, and every quoted part is plain to fish and csh, too', () => {
    const line = commandLine({ argv: ['printf', String.raw`a\n'b!\\`, 'two\nlines', '$HOME `id`', ''] }, options);
    expect(line).not.toContain('\n');
    const quoted = line.replaceAll(/\\./g, '').match(/'[^']*'/g) ?? [];
    expect(quoted.join('')).not.toMatch(/[\\!]/);
    expect(line.replaceAll(/\\./g, '').replaceAll(/'[^']*'/g, '')).toMatch(/^[\w@%+=:,./ -]+$/);
  });

  it('gives every argument to the command as it was', () => {
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 10 }), (argv) => {
        const line = commandLine({ argv: ['printf', '%s\\0', ...argv] }, { ...options, usesInput: true });
        const printed = execFileSync('/bin/sh', ['-c', line], { stdio: ['pipe', 'pipe', 'ignore'], input: '' });
        const expected = Buffer.from(`lsbackup-0123-begin\n${argv.map((text) => `${text}\0`).join('')}`);
        expect(printed).toEqual(expected);
      }),
      { numRuns: 20, examples: [[["\n'\\\n!"]]] },
    );
  });

  it('prints the marker, then runs the command with its environment and directory', async () => {
    const command = { argv: ['sh', '-c', 'pwd; echo "$A|$LC_ALL"; umask'], env: { A: "it's" }, cwd: '/usr' };
    const expected = { status: 0, output: "lsbackup-0123-begin\n/usr\nit's|C\n0077\n" };
    expect(await run(commandLine(command, options))).toEqual(expected);
    expect(await run(commandLine(command, { ...options, usesInput: true }))).toEqual(expected);
  });

  it('goes on for longer than TMOUT where sh is bash', async () => {
    const line = commandLine({ argv: ['sh', '-c', 'sleep 2; echo done'] }, options).replace(
      'exec /bin/sh',
      'exec bash',
    );
    expect(await run(line, { ...process.env, TMOUT: '1' })).toMatchObject({
      status: 0,
      output: expect.stringContaining('done'),
    });
  });

  it('passes the exit status on', async () => {
    expect(await run(commandLine({ argv: ['sh', '-c', 'exit 7'] }, options))).toMatchObject({ status: 7 });
    expect(await run(commandLine({ argv: ['sh', '-c', 'kill -9 $$'] }, options))).toMatchObject({ status: 137 });
  });

  it('does not start the command in a directory that is missing', async () => {
    const line = commandLine({ argv: ['echo', 'ran'], cwd: '/no/such/directory' }, options);
    expect(await run(line)).toEqual({ status: 126, output: '' });
  });

  it('ends the command and its children when standard input is closed', async () => {
    const line = commandLine({ argv: ['sh', '-c', 'sleep 60 & sleep 60; true'] }, options);
    const child = spawn('/bin/sh', ['-c', line], { stdio: ['pipe', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    child.stdin.end();
    child.stdout.resume();
    // `close` comes when nothing holds standard output any more: the background child is gone too.
    expect(await once(child, 'close')).toEqual([143, null]);
  });

  const password = new Secret('hush');
  it.each([
    ['root', { method: 'sudo', password: undefined }, false, 'sudo -n -H -u root -- /bin/sh -c'],
    ['postgres', { method: 'sudo', password: undefined }, false, 'sudo -n -H -u postgres -- /bin/sh -c'],
    ['root', { method: 'sudo', password }, false, 'sudo -S -p lsbackup-0123-asks-%p: -H -u root -- /bin/sh -c'],
    ['root', { method: 'su', password }, false, 'su -s /bin/sh -c \'exec "$0" "$@"\' -- root /bin/sh -c'],
    ['postgres', { method: 'su', password }, false, "-- root /bin/sh -c 'command -v runuser"],
    ['postgres', { method: 'su', password }, true, 'exec runuser -u "$0"'],
    ['postgres', { method: 'sudo', password }, true, 'exec runuser -u "$0"'],
  ] as const)('becomes %s by %j, root logged in: %s', (user, become, loginIsRoot, expected) => {
    const line = commandLine({ argv: ['id'] }, { ...options, user, become, loginIsRoot });
    expect(line).toContain(expected);
    if (loginIsRoot) expect(line).not.toMatch(/sudo|-- root/);
    expect(line).not.toContain('hush');
  });

  it('changes nothing for root itself, nor for the login user', () => {
    for (const change of [{ user: 'root', loginIsRoot: true }, { user: undefined }])
      expect(commandLine({ argv: ['id'] }, { ...options, ...change })).not.toMatch(/sudo|runuser/);
  });

  it('leaves the choice to the host as long as nobody knows who logs in', async () => {
    const line = commandLine(
      { argv: ['printf', '%s\\n', 'login'] },
      { ...options, user: 'root', become: { method: 'sudo', password: undefined }, loginIsRoot: undefined },
    );
    // Echo takes -n for its own.
    const { output } = await run(line.replaceAll('sudo', 'echo').replace('id -u', 'echo 7'));
    expect(output).toMatch(/^lsbackup-0123-become\n-H -u root -- .* login 7$/);
    const asRoot = await run(line.replace('id -u', 'echo 0'));
    expect(asRoot.output).toBe('lsbackup-0123-begin\nlogin\n0\n');
  });

  it('refuses what is no user, no variable, or too long for one argument', () => {
    const line = (change: object, user?: string) => () =>
      commandLine({ argv: ['id'], ...change }, { ...options, user });
    expect(line({ argv: ['a\0b'] })).toThrow('NUL');
    expect(line({}, 'a; reboot')).toThrow('not a user name');
    expect(line({ env: { 'A B': '' } })).toThrow('environment variable');
    expect(line({ argv: ['echo', 'x'.repeat(130_000)] })).toThrow('longer than');
  });
});

describe('describeCommand', () => {
  it('is short, on one line, and hides passwords in URLs', () => {
    expect(describeCommand({ argv: ['psql', 'postgres://me:pw@db/x', 'a\nb'] })).toBe(
      "psql postgres://[secret]@db/x 'a b'",
    );
    expect(describeCommand({ argv: ['echo', 'x'.repeat(500)] })).toHaveLength(160);
  });
});
