import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { BackupError } from '../model/errors.js';
import type { TarPolicy } from './remote-host.js';
import { TarJudge, parseTarMessage, unescapeName } from './tar-messages.js';

const strict: TarPolicy = { mayChange: false, mayVanish: false };
const lenient: TarPolicy = { mayChange: true, mayVanish: true };

function judge(policy: TarPolicy, status: number, lines: readonly string[]) {
  const tar = new TarJudge(policy);
  tar.add(Buffer.from(lines.map((line) => `${line}\n`).join('')));
  const verdict = tar.verdict(status, { host: 'db1', what: 'tar -c .' });
  return verdict instanceof BackupError ? verdict.code : verdict.map(({ code }) => code);
}

function parsed(line: string) {
  const { kind, name } = parseTarMessage(line);
  return { kind, name: name.toString() };
}

const changed = 'tar: ./log: file changed as we read it';
const removed = 'tar: ./tmp/x: File removed before we read it';
const missing = 'tar: ./nope: Cannot stat: No such file or directory';
const shrank = 'tar: ./data: File shrank by 4096 bytes; padding with zeros';
const exiting = 'tar: Exiting with failure status due to previous errors';

describe('parseTarMessage', () => {
  it.each([
    [changed, 'changed', './log'],
    [removed, 'vanished', './tmp/x'],
    [missing, 'vanished', './nope'],
    [shrank, 'shrank', './data'],
    ['tar: ./s.sock: socket ignored', 'harmless', './s.sock'],
    ['tar: ./mnt: directory is on a different filesystem; not dumped', 'harmless', './mnt'],
    ["tar: Removing leading `/' from member names", 'harmless', ''],
    [exiting, 'summary', ''],
    [String.raw`tar: ./a\: b\n: file changed as we read it`, 'changed', './a: b\n'],
    ['tar: ./a: b: file changed as we read it', 'changed', './a: b'],
    ['/usr/bin/tar: ./log: file changed as we read it', 'changed', './log'],
    ['tar: ./secret: Cannot open: Permission denied', 'unknown', ''],
    ['tar: ./f: Read error at byte 0, while reading 512 bytes: Input/output error', 'unknown', ''],
    ['some other program: file changed as we read it', 'unknown', ''],
  ])('%s', (line, kind, name) => {
    expect(parsed(line)).toEqual({ kind, name });
  });

  it('reads what the tar of this machine prints for odd names', () => {
    const names = ['plain', 'with:colon', 'with: colon', 'new\nline', 'back\\slash', 'ünï'];
    const run = spawnSync('tar', ['-cf', '/dev/null', '--', ...names], {
      cwd: '/proc/self/task',
      env: { ...process.env, LC_ALL: 'C' },
      encoding: 'utf8',
    });
    const messages = run.stderr.trim().split('\n').map(parsed);
    expect(run.status).toBe(2);
    expect(messages).toEqual([...names.map((name) => ({ kind: 'vanished', name })), { kind: 'summary', name: '' }]);
  });
});

describe('unescapeName', () => {
  it('turns escapes into bytes', () => {
    expect(unescapeName(String.raw`\303\274 \\ \t \"`).toString()).toBe('ü \\ \t "');
    expect([...unescapeName(String.raw`\377\376`)]).toEqual([255, 254]);
  });
});

describe('TarJudge', () => {
  it('accepts status 0 in silence', () => {
    expect(judge(strict, 0, [])).toEqual([]);
  });

  it('accepts the complaints its policy allows, with a warning each', () => {
    expect(judge(lenient, 1, [changed, removed])).toEqual(['FILE_CHANGED', 'FILE_VANISHED']);
    expect(judge({ mayChange: true, mayVanish: false }, 1, [changed])).toEqual(['FILE_CHANGED']);
    expect(judge({ mayChange: false, mayVanish: true }, 2, [missing, exiting])).toEqual(['FILE_VANISHED']);
    expect(judge(strict, 1, ['tar: .: file changed as we read it'])).toEqual([]);
    expect(judge(strict, 0, ['tar: ./s: socket ignored'])).toEqual([]);
  });

  it('rejects the complaints its policy does not allow', () => {
    expect(judge(strict, 1, [changed])).toBe('TAR_FAILED');
    expect(judge(strict, 1, [removed])).toBe('TAR_FAILED');
    expect(judge({ mayChange: true, mayVanish: false }, 2, [missing, exiting])).toBe('TAR_FAILED');
    expect(judge(strict, 0, [changed])).toBe('TAR_FAILED');
  });

  it('leaves what changed to whoever knows the directories, and nothing else', () => {
    const tar = new TarJudge(strict, true);
    tar.add(Buffer.from(`${changed}\ntar: ./\\303\\274\\n\\377: file changed as we read it\n`));
    expect(tar.verdict(1, { host: 'db1', what: 'tar' })).toEqual([]);
    expect(tar.toJudge).toEqual(['./log', Buffer.from('./ü\n').toString('latin1') + '\xff']);
    const other = new TarJudge(strict, true);
    other.add(Buffer.from(`${changed}\n${removed}\n`));
    expect(other.verdict(1, { host: 'db1', what: 'tar' })).toMatchObject({ code: 'TAR_FAILED' });
    const many = new TarJudge(strict, true);
    for (let index = 0; index < 1001; index += 1) many.add(Buffer.from(`${changed}\n`));
    expect(many.verdict(1, { host: 'db1', what: 'tar' })).toMatchObject({ code: 'TAR_FAILED' });
  });

  it('never accepts a file that shrank, whatever the status and the policy', () => {
    for (const status of [0, 1, 2]) expect(judge(lenient, status, [changed, shrank])).toBe('TAR_SHRANK');
  });

  it('rejects a status that no line explains, and a line it does not know', () => {
    expect(judge(lenient, 1, [])).toBe('TAR_FAILED');
    expect(judge(lenient, 2, [exiting])).toBe('TAR_FAILED');
    expect(judge(lenient, 2, [changed, exiting])).toBe('TAR_FAILED');
    expect(judge(lenient, 1, [changed, 'bash: something odd'])).toBe('TAR_FAILED');
    expect(judge(lenient, 2, [missing, 'tar: ./secret: Cannot open: Permission denied', exiting])).toBe('TAR_FAILED');
  });

  it('refuses the loss of what must stay, also with a directory it is in, where everything else may vanish', () => {
    const policy: TarPolicy = { ...lenient, mustStay: ['etc/p/p.yml', 'etc/p/rules/ü.yml'] };
    const gone = (name: string): string => `tar: ${name}: File removed before we read it`;
    expect(judge(policy, 1, [gone('etc/p/p.yml.tmp'), gone('etc/p/p'), gone('etc/p/rules2')])).toEqual([
      'FILE_VANISHED',
    ]);
    for (const name of ['etc/p/p.yml', 'etc/p/rules', 'etc/p/rules/', 'etc/p/rules/\\303\\274.yml', 'etc'])
      expect(judge(policy, 1, [gone('etc/p/x.tmp'), gone(name)])).toBe('TAR_FAILED');
  });

  it('keeps an unknown line of a successful tar as a warning', () => {
    expect(judge(strict, 0, ['tar: something new'])).toEqual(['TAR_MESSAGE']);
  });

  it('names the files, and stays small when there are many', () => {
    const tar = new TarJudge(lenient);
    for (let index = 0; index < 5000; index += 1)
      tar.add(Buffer.from(`tar: ./f${index}: file changed as we read it\n`));
    expect(tar.verdict(1, { host: 'db1', what: 'tar' })).toEqual([
      { code: 'FILE_CHANGED', message: expect.stringMatching(/: \.\/f0, .*\.\/f9 and 4990 more$/) },
    ]);
  });

  it('reads lines that arrive in pieces', () => {
    const tar = new TarJudge(strict);
    for (const byte of Buffer.from('tar: ./ü: file changed as we read it')) tar.add(Buffer.from([byte]));
    expect(tar.verdict(1, { host: 'db1', what: 'tar' })).toMatchObject({
      code: 'TAR_FAILED',
      message: expect.stringContaining('./ü'),
    });
  });
});
