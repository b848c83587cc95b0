import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { HostKeyPolicy } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection, plainHostKeyPolicy } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { entriesFor, parseKnownHosts } from '../../packages/core/src/remote/known-hosts.js';
import { connectSsh } from '../../packages/core/src/remote/ssh.js';
import { makeKey, runProgram, startSshd } from './openssh.js';
import type { RealSshd } from './openssh.js';

const types = ['ed25519', 'ecdsa', 'rsa'] as const;
/** Public keys: those of the server, and others of the same types. */
const host: Record<string, string> = {};
const other: Record<string, string> = {};
let directory: string;
/** One server with all three keys, one with an ed25519 key alone. */
let all: RealSshd;
let single: RealSshd;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-openssh-'));
  for (const type of types) {
    host[type] = await makeKey(path.join(directory, `host_${type}`), type);
    other[type] = await makeKey(path.join(directory, `other_${type}`), type);
  }
  await writeFile(path.join(directory, 'authorized_keys'), `${await makeKey(path.join(directory, 'id'), 'ed25519')}\n`);
  const keyLine = (type: string): string => `HostKey ${path.join(directory, `host_${type}`)}`;
  const login = [`AuthorizedKeysFile ${path.join(directory, 'authorized_keys')}`, 'PermitRootLogin yes'];
  all = await startSshd(directory, [...types.map(keyLine), ...login]);
  single = await startSshd(directory, [keyLine('ed25519'), ...login]);
});

afterAll(async () => {
  await all[Symbol.asyncDispose]();
  await single[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

type Decision = 'accepted' | 'changed' | 'unknown' | 'revoked';
interface Asked {
  readonly port: number;
  readonly content: string;
  readonly policy: Partial<HostKeyPolicy>;
}

/** What ssh decides; it is given the options of the policy and nothing else. */
async function askSsh({ port, content, policy }: Asked): Promise<{ decision: Decision; file: string }> {
  const file = path.join(directory, 'known_hosts.ssh');
  await writeFile(file, content);
  const options = [
    `UserKnownHostsFile=${file}`,
    'GlobalKnownHostsFile=none',
    `StrictHostKeyChecking=${policy.strict ?? 'yes'}`,
    `HashKnownHosts=${policy.hash === true ? 'yes' : 'no'}`,
    ...(policy.alias === undefined ? [] : [`HostKeyAlias=${policy.alias}`]),
    ...(policy.revokedFile === undefined ? [] : [`RevokedHostKeys=${policy.revokedFile}`]),
    'IdentitiesOnly=yes',
    'BatchMode=yes',
  ];
  const login = [
    '-F',
    'none',
    '-i',
    path.join(directory, 'id'),
    '-p',
    String(port),
    `${os.userInfo().username}@127.0.0.1`,
  ];
  const { status, stderr } = await runProgram('ssh', [
    ...options.flatMap((option) => ['-o', option]),
    ...login,
    'true',
  ]);
  const decision =
    status === 0
      ? 'accepted'
      : stderr.includes('revoked') && !/No \S+ host key is known/.test(stderr)
        ? 'revoked'
        : stderr.includes('IDENTIFICATION HAS CHANGED')
          ? 'changed'
          : /No \S+ host key is known/.test(stderr)
            ? 'unknown'
            : undefined;
  if (decision === undefined) throw new Error(`ssh ended with ${String(status)}: ${stderr}`);
  return { decision, file: await readFile(file, 'utf8') };
}

/** What we decide, by logging in to the same server. */
async function askOurselves({ port, content, policy }: Asked): Promise<{ decision: Decision; file: string }> {
  const file = path.join(directory, 'known_hosts.ours');
  await writeFile(file, content);
  const connection = {
    ...plainConnection('127.0.0.1'),
    port,
    become: undefined,
    identityFiles: [path.join(directory, 'id')],
    hostKeys: { ...plainHostKeyPolicy, userFiles: [file], globalFiles: [], ...policy },
  };
  const user = { name: os.userInfo().username, homeDirectory: directory };
  const decision = await connectSsh({ name: 'server', groups: [], variables: {}, connection }, { user }).then(
    async (remote) => {
      await remote[Symbol.asyncDispose]();
      return 'accepted' as const;
    },
    (error: unknown) => {
      const text = String(error);
      const found = (['revoked', 'changed'] as const).find((word) => text.includes(word));
      if (found !== undefined) return found;
      if (text.includes('host key not known')) return 'unknown' as const;
      throw error;
    },
  );
  return { decision, file: await readFile(file, 'utf8') };
}

/** `$HOST` is the server's address and port as known hosts have it; `h:TYPE` and `o:TYPE` are its key and another one. */
function written(text: string, port: number): string {
  return text
    .replaceAll('$HOST', `[127.0.0.1]:${String(port)}`)
    .replaceAll(
      /\b([ho]):(ed25519|ecdsa|rsa)\b/g,
      (_, kind: string, type: string) => (kind === 'h' ? host : other)[type] ?? '',
    );
}

const files: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['the key', '$HOST h:ed25519\n'],
  ['the key with a comment', '$HOST h:ed25519 somebody at some host\n'],
  ['the key after white space and an empty line', '\n \t$HOST \t h:ed25519\r\n'],
  ['the key without an end of line', '$HOST h:ed25519'],
  ['another key', '$HOST o:ed25519\n'],
  ['another key, of another type', '$HOST o:rsa\n'],
  ['the key of another type', '$HOST h:rsa\n'],
  ['another key, then the key', '$HOST o:ed25519\n$HOST h:ed25519\n'],
  ['another key of another type, then the key', '$HOST o:rsa\n$HOST h:ed25519\n'],
  ['the key for the address alone', '127.0.0.1 h:ed25519\n'],
  ['another key for the address alone', '127.0.0.1 o:ed25519\n'],
  ['the key for the address alone and another one with the port', '127.0.0.1 h:ed25519\n$HOST o:ed25519\n'],
  ['the key for another port', '[127.0.0.1]:1 h:ed25519\n'],
  ['the key in a list', 'web1,10.0.0.1,$HOST h:ed25519\n'],
  ['the key for a pattern', '[127.0.0.?]:* h:ed25519\n'],
  ['the key for a pattern that does not fit', '[127.0.1.?]:* h:ed25519\n'],
  ['the key for all hosts', '* h:ed25519\n'],
  ['the key for all but this one', '*,!$HOST,!127.0.0.1 h:ed25519\n'],
  ['the key for all but this one, told first', '!$HOST,!127.0.0.1,* h:ed25519\n'],
  ['the key for all but this port', '*,!$HOST h:ed25519\n'],
  ['another key for all but this one', '*,!$HOST o:ed25519\n127.0.0.1 h:ed25519\n'],
  ['the key revoked', '@revoked $HOST h:ed25519\n'],
  ['the key known, and revoked for all', '$HOST h:ed25519\n@revoked * h:ed25519\n'],
  ['the key known, and revoked for the address alone', '$HOST h:ed25519\n@revoked 127.0.0.1 h:ed25519\n'],
  ['the key revoked and known for the address alone', '@revoked 127.0.0.1 h:ed25519\n127.0.0.1 h:ed25519\n'],
  ['the key known, and another revoked', '$HOST h:ed25519\n@revoked $HOST o:ed25519\n'],
  ['a certificate authority', '@cert-authority $HOST h:ed25519\n'],
  ['an unknown marker', '@trusted $HOST h:ed25519\n'],
  ['a comment', '# $HOST h:ed25519\n'],
  [
    'a key under the wrong type',
    '$HOST ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIIt7Pb6VSNK+nPXD9Z6g1584UMyM6yfX/+xNywnH+qd5\n',
  ],
  ['a line without a key, then the key', '$HOST\n$HOST ssh-ed25519\n$HOST h:ed25519\n'],
];

const policies: readonly Partial<HostKeyPolicy>[] = [{}, { strict: 'accept-new' }, { strict: 'no' }];

describe('decisions about host keys, against ssh', () => {
  describe.each(policies)('%j', (policy) => {
    it.each(files)('%s', async (_, text) => {
      // Which of its keys a server shows matters where keys of another type are known.
      for (const { port } of policy.strict === undefined || text.includes(':rsa') ? [all, single] : [all]) {
        const asked = { port, content: written(text, port), policy };
        const [ours, theirs] = await Promise.all([askOurselves(asked), askSsh(asked)]);
        if (isStricter(ours.decision, text)) continue;
        expect(ours.decision).toBe(theirs.decision);
        // ssh 9.2 glues a new entry to a last line that has no end.
        if (text === '' || text.endsWith('\n')) expect(ours.file).toBe(theirs.file);
      }
    });
  });

  it.each([
    ['an alias', { alias: 'Name' }, 'name h:ed25519\n'],
    ['an alias that is known with the port', { alias: 'name' }, '[name]:22 h:ed25519\n'],
    ['an alias, while the address is known', { alias: 'name' }, '$HOST h:ed25519\n'],
    ['a new alias', { alias: 'Name', strict: 'accept-new' as const }, ''],
  ])('%s', async (_, policy, text) => {
    const asked = { port: all.port, content: written(text, all.port), policy };
    expect(await askOurselves(asked)).toEqual(await askSsh(asked));
  });

  it.each(['yes', 'no', 'accept-new'] as const)('a file of revoked keys, with %s', async (strict) => {
    const revokedFile = path.join(directory, 'revoked');
    await writeFile(revokedFile, written('# stolen\nh:ed25519\n', 0));
    const asked = {
      port: single.port,
      content: written('$HOST h:ed25519\n', single.port),
      policy: { strict, revokedFile },
    };
    expect((await askOurselves(asked)).decision).toBe('revoked');
    expect((await askSsh(asked)).decision).toBe('revoked');
  });

  it('ssh knows a host by the hashed name that we add', async () => {
    const ours = await askOurselves({ port: single.port, content: '', policy: { strict: 'accept-new', hash: true } });
    expect(ours.file).toMatch(/^\|1\|\S+ ssh-ed25519 \S+\n$/);
    expect((await askSsh({ port: single.port, content: ours.file, policy: {} })).decision).toBe('accepted');
    const theirs = await askSsh({ port: single.port, content: '', policy: { strict: 'accept-new', hash: true } });
    expect((await askOurselves({ port: single.port, content: theirs.file, policy: {} })).decision).toBe('accepted');
  });
});

/** ssh goes on with a key that a known hosts file marks as revoked when checking is off, or when that is so for the address without the port. */
function isStricter(ours: Decision, text: string): boolean {
  return ours === 'revoked' && text.includes('@revoked');
}

describe('names, against ssh-keygen -F', () => {
  const names = [
    'web1',
    'WEB1',
    'web1.example.test',
    'web10',
    '10.0.0.1',
    '[10.0.0.1]:2222',
    '[web1]:22',
    'fe80::1',
    '[fe80::1]:2222',
    'a*b',
    'other',
  ];
  const patterns = [
    'web1',
    'Web1.Example.Test',
    'web?',
    'web*',
    '*',
    '*,!web1',
    '!web1',
    '!web1,*',
    'web1,10.0.0.1',
    '[10.0.0.1]:2222',
    '[*]:2222',
    '[web1]:22',
    'fe80::1',
    '[fe80::1]:2222',
    'a\\*b',
    'w.b1',
    '10.0.0.[0-9]',
    ',web1,',
    'web1,,other',
    '!',
    '*,!10.*',
  ];

  it('finds the same lines', async () => {
    const plain = path.join(directory, 'names');
    const key = host.ed25519 ?? '';
    await writeFile(plain, patterns.map((pattern) => `${pattern} ${key}\n`).join(''));
    const hashed = path.join(directory, 'hashed');
    await writeFile(hashed, names.map((name) => `${name} ${key}\n`).join(''));
    await runProgram('ssh-keygen', ['-H', '-f', hashed]);
    for (const file of [plain, hashed]) {
      const entries = parseKnownHosts(await readFile(file, 'utf8'), file);
      for (const name of names) {
        // ssh-keygen hashes a name as it is given, ssh in lower case.
        const asked = file === hashed ? name.toLowerCase() : name;
        const { stdout } = await runProgram('ssh-keygen', ['-F', asked, '-f', file]);
        const theirs = [...stdout.matchAll(/^# Host .* found: line (\d+)/gm)].map(([, line]) => Number(line));
        expect([file, name, entriesFor(entries, name.toLowerCase()).map(({ line }) => line)]).toEqual([
          file,
          name,
          theirs,
        ]);
      }
    }
  });
});
