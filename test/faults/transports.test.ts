import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Connection, Host, Login } from '../../packages/core/src/cluster/cluster.js';
import { plainConnection } from '../../packages/core/src/cluster/connection/plain-connection.js';
import { connectHost } from '../../packages/core/src/remote/connect-host.js';
import { connectOpenssh } from '../../packages/core/src/remote/openssh-transport.js';
import type { RemoteHost } from '../../packages/core/src/remote/remote-host.js';
import type { Warning } from '../../packages/core/src/model/artifact.js';
import { Secret } from '../../packages/core/src/model/secret.js';
import { onHost } from '../support/cluster-host.js';
import { startCutProxy } from '../support/cut-proxy.js';
import { addresses, makeCertificate, sshDirectory, startExtraSshd } from '../support/extra-sshd.js';
import { root, startProgram } from '../support/lsbackup.js';
import { asInventory, drain, rejection, trusting } from '../support/sample-remote.js';
import { generateKey } from '../support/ssh-server.mjs';
import { describeConnections, describeTransport, startEcho } from '../support/transport-contract.js';
import type { TriedHost } from '../support/transport-contract.js';

// Transports against real sshds: on the hosts mon1 and mon2 of the test cluster.

jest.setTimeout(120_000);

let directory: string;
let warnings: Warning[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'lsbackup-transports-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

function hostWith(change: Partial<Connection> = {}): Host {
  const connection: Connection = {
    ...plainConnection(addresses.mon1),
    user: 'admin',
    identityFiles: [path.join(sshDirectory, 'id_ed25519')],
    identitiesOnly: true,
    hostKeys: trusting(path.join(sshDirectory, 'known_hosts')),
    ...change,
  };
  return { name: 'mon1', groups: [], variables: {}, connection: asInventory(connection) };
}

function connect(change?: Partial<Connection>, way = connectHost): Promise<RemoteHost> {
  warnings = [];
  return way(hostWith(change), {
    user: { name: 'nobody', homeDirectory: directory },
    warn: (warning) => warnings.push(warning),
    retryPause: 100,
  });
}

/** By the system's ssh in the place of our own: as when that has given up. */
function connectInstead(change?: Partial<Connection>): Promise<RemoteHost> {
  return connect(change, connectOpenssh);
}

async function tried(change: Partial<Connection>): Promise<TriedHost> {
  const remote = await connect(change);
  return { remote, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() };
}

/** Directories of masters that are left of a process on this machine. */
async function leftDirectories(pid: number | undefined = process.pid): Promise<readonly string[]> {
  return (await readdir(os.tmpdir())).filter((name) => name.startsWith(`lsbackup-${pid}-`));
}

describeTransport('our own SSH and a real sshd', () => tried({ transport: 'ssh' }));
describeTransport("the system's ssh and a real sshd", () => tried({ transport: 'openssh' }));

describe("a login by the system's ssh", () => {
  it('uses a certificate, at once when the inventory names one', async () => {
    const { key, certificate, authority } = await makeCertificate('mon1', directory);
    await using sshd = await startExtraSshd('mon1', 2251, [
      `TrustedUserCAKeys=${authority}`,
      'AuthorizedKeysFile=none',
    ]);
    const known = path.join(directory, 'certificate_known_hosts');
    await sshd.writeKnownHosts(known);
    const way = { port: sshd.port, hostKeys: trusting(known), identityFiles: [key] };
    try {
      await using remote = await connect({ ...way, certificateFiles: [certificate] });
      expect((await remote.run({ argv: ['id', '-un'], become: 'root' })).stdout.toString()).toBe('root\n');
      expect(remote.facts.sshFingerprint).toMatch(/^SHA256:/);
      expect(warnings).toEqual([{ code: 'TRANSPORT_OPENSSH', message: expect.stringContaining(certificate) }]);
      // Without it nobody gets in: the certificate is what opened the door.
      await rm(certificate);
      expect(await rejection(connect({ ...way, transport: 'openssh' }))).toMatchObject({
        code: 'HOST_AUTH',
        message: expect.stringContaining('Permission denied (publickey)'),
      });
    } finally {
      await onHost('mon1', 'rm', '-f', authority);
    }
  });

  it('is what reaches a server that takes only a key exchange that our own SSH has not', async () => {
    await using sshd = await startExtraSshd('mon1', 2252, ['KexAlgorithms=sntrup761x25519-sha512@openssh.com']);
    const known = path.join(directory, 'quantum_known_hosts');
    await sshd.writeKnownHosts(known);
    const way = { port: sshd.port, hostKeys: trusting(known) };
    await using asked = await connect({ ...way, transport: 'openssh' });
    expect([asked.facts.hostname, warnings]).toEqual(['mon1', []]);
    await using chosen = await connect(way);
    expect(chosen.facts.hostname).toBe('mon1');
    expect(warnings).toEqual([
      { code: 'TRANSPORT_OPENSSH', message: expect.stringMatching(/^mon1: connecting with the system's ssh: /) },
    ]);
    // Not where the system's ssh would meet the same end.
    expect(await rejection(connect({ ...way, hostKeys: trusting('/dev/null') }))).toMatchObject({ code: 'HOST_KEY' });
  });

  it('goes through jump hosts', async () => {
    const jump: Login = { ...hostWith().connection, address: addresses.mon2 };
    await using remote = await connectInstead({
      address: '127.0.0.1',
      jumps: [jump, { ...jump, address: addresses.mon1 }],
      hostKeys: { ...hostWith().connection.hostKeys, alias: addresses.mon1 },
    });
    const { stdout } = await remote.run({ argv: ['sh', '-c', 'hostname; echo "$SSH_CONNECTION"'] });
    expect(stdout.toString()).toMatch(/^mon1\n127\.0\.0\.1 \d+ 127\.0\.0\.1 22\n$/);
  });

  it('names the jump host where that is what does not let it in', async () => {
    const jump: Login = { ...hostWith().connection, address: addresses.mon2 };
    const table: readonly (readonly [Login, string, RegExp])[] = [
      [
        { ...jump, hostKeys: trusting('/dev/null') },
        'HOST_KEY',
        /^mon1: host key not known: admin@172\.28\.0\.42 port 22 shows /,
      ],
      [{ ...jump, user: 'nobody' }, 'HOST_AUTH', /^mon1: nobody@172\.28\.0\.42 port 22 refuses .*nobody@172/],
      [
        { ...jump, port: 1 },
        'HOST_UNREACHABLE',
        /172\.28\.0\.41 port 22: .*172\.28\.0\.42 port 1: Connection refused$/,
      ],
    ];
    for (const [login, code, message] of table)
      expect(await rejection(connectInstead({ jumps: [login] }))).toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
  });

  it('takes a changed key of a host, never one of a jump host, where the inventory says that any will do', async () => {
    const changed = path.join(directory, 'changed-any');
    await writeFile(changed, `${addresses.mon1},${addresses.mon2} ${generateKey().publicKey}\n`);
    const hostKeys = { ...trusting(changed), strict: 'no' as const };
    const jump: Login = { ...hostWith().connection, address: addresses.mon2, hostKeys };
    expect(await rejection(connectInstead({ jumps: [jump] }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/^mon1: host key changed: admin@172\.28\.0\.42 port 22 shows /),
    });
    await using remote = await connect({ transport: 'openssh', hostKeys });
    expect(warnings).toEqual([
      {
        code: 'HOST_KEY_UNCHECKED',
        message: `mon1: its ecdsa-sha2-nistp256 key ${remote.facts.sshFingerprint} was not the known one, and accepted as StrictHostKeyChecking allows`,
      },
    ]);
    const become = { method: 'su' as const, password: new Secret('not for this host') };
    expect(await rejection(connect({ transport: 'openssh', hostKeys, become }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining('su asks for a password, which is not sent'),
    });
  });

  it('goes by the configuration of ssh where it was chosen, also through jump hosts', async () => {
    const config = path.join(directory, 'config');
    await writeFile(
      config,
      [
        'Host way-there',
        `  HostName ${addresses.mon2}`,
        'Host the-host',
        '  HostName 127.0.0.1',
        `  HostKeyAlias ${addresses.mon1}`,
        '  ProxyJump way-there,second',
        'Match originalhost second exec true',
        `  HostName ${addresses.mon1}`,
        'Host *',
        '  ForkAfterAuthentication yes',
        '  ControlMaster auto',
        '  ControlPersist 60',
        '  RemoteCommand false',
        '  User admin',
        `  IdentityFile ${path.join(sshDirectory, 'id_ed25519')}`,
        `  UserKnownHostsFile ${path.join(sshDirectory, 'known_hosts')}`,
      ].join('\n'),
    );
    const connection = {
      ...plainConnection('no-such-host.invalid'),
      transport: 'openssh' as const,
      port: 1,
      sshDestination: 'the-host',
      sshArguments: ['-F', config, '-A', '-f', '-E', '/nonexistent'],
    };
    const host = { ...hostWith(), connection };
    await using remote = await connectHost(host, { user: { name: 'nobody', homeDirectory: directory } });
    const { stdout } = await remote.run({
      argv: ['sh', '-c', 'hostname; echo "$SSH_CONNECTION ${SSH_AUTH_SOCK-none}"'],
    });
    expect(stdout.toString()).toMatch(/^mon1\n127\.0\.0\.1 \d+ 127\.0\.0\.1 22 none\n$/);
  });

  it('does not wait for what a proxy command leaves behind, and ends what it can of it', async () => {
    const marks = ['a', 'b'].map((letter) => `lsbackup-test-${process.pid}-${letter}`);
    const relay = `const s = require('net').connect(22, '${addresses.mon1}'); process.stdin.pipe(s).pipe(process.stdout)`;
    const script = path.join(directory, 'proxy');
    const leave = marks.map(
      (mark, index) => `${index === 0 ? '' : 'setsid '}sh -c 'trap "" TERM; sleep 3397; : ${mark}' &`,
    );
    await writeFile(script, [...leave, `exec '${process.execPath}' -e "${relay}"`, ''].join('\n'));
    const remote = await connect({ transport: 'openssh', proxyCommand: `sh ${script}` });
    await remote[Symbol.asyncDispose]();
    const left = async (mark: string): Promise<string> =>
      (await startProgram('pgrep', ['-f', `sleep 3397; : ${mark}`]).finished).stdout.trim();
    expect(await left(marks[0] ?? '')).toBe('');
    const away = await left(marks[1] ?? '');
    expect(away).not.toBe('');
    for (const pid of away.split('\n')) process.kill(-Number(pid), 'SIGKILL');
  });

  it('is refused with both fingerprints when the key has changed', async () => {
    const changed = path.join(directory, 'changed');
    const key = generateKey();
    await writeFile(changed, `${addresses.mon1} ${key.publicKey}\n`);
    const shown = `SHA256:${createHash('sha256')
      .update(Buffer.from(key.publicKey.split(' ')[1] ?? '', 'base64'))
      .digest('base64')
      .replace(/=+$/, '')}`;
    const error = await rejection(connect({ transport: 'openssh', hostKeys: trusting(changed) }));
    expect(error).toMatchObject({
      code: 'HOST_KEY',
      host: 'mon1',
      message: expect.stringContaining(`known is ${shown} (${changed}:1)`),
      hint: expect.stringContaining('ssh-keygen -R'),
    });
    expect(String(error)).toMatch(/port 22 shows ecdsa-sha2-nistp256 key SHA256:/);
  });

  it('is refused when the key is not known, or is revoked', async () => {
    expect(await rejection(connect({ transport: 'openssh', hostKeys: trusting('/dev/null') }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringMatching(/host key not known: .* shows ssh-ed25519 key SHA256:/),
    });
    const known = await readFile(path.join(sshDirectory, 'known_hosts'), 'utf8');
    const own = known.split('\n').filter((line) => line.startsWith(`${addresses.mon1} `));
    const revoked = path.join(directory, 'revoked');
    await writeFile(revoked, own.map((line) => `@revoked ${line}\n${line}\n`).join(''));
    expect(await rejection(connect({ transport: 'openssh', hostKeys: trusting(revoked) }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining('revoked'),
    });
    // ssh itself would go on here.
    const hostKeys = { ...trusting(revoked), strict: 'no' as const };
    for (const way of [connectInstead({ hostKeys }), connect({ hostKeys, transport: 'openssh' })])
      expect(await rejection(way)).toMatchObject({
        code: 'HOST_KEY',
        message: expect.stringMatching(/^mon1: host key revoked: admin@172\.28\.0\.41 port 22 shows \S+ key SHA256:/),
      });
    expect(await leftDirectories()).toEqual([]);
  });

  it('takes any key where the inventory says so, with a warning', async () => {
    const hostKeys = { ...trusting('/dev/null'), strict: 'no' as const };
    await using remote = await connect({ transport: 'openssh', hostKeys });
    expect(warnings).toEqual([
      { code: 'HOST_KEY_UNCHECKED', message: expect.stringContaining(remote.facts.sshFingerprint ?? '-') },
    ]);
  });

  it('believes no greeting of a server, however long', async () => {
    const banner = '/run/lsbackup-test-banner';
    const forged = "debug1: Authenticating to 10.9.9.9:22 as 'root'\\ndebug1: Server host key: x SHA256:forged\\n";
    await onHost(
      'mon1',
      'sh',
      '-c',
      `printf "%b" "$1" > ${banner}; yes hello | head -n 20000 >> ${banner}`,
      'sh',
      forged,
    );
    await using sshd = await startExtraSshd('mon1', 2255, [`Banner=${banner}`]);
    const changed = path.join(directory, 'changed-behind-banner');
    await writeFile(changed, `[${addresses.mon1}]:${sshd.port} ${generateKey().publicKey}\n`);
    const hostKeys = { ...trusting(changed), strict: 'no' as const };
    const way = { transport: 'openssh' as const, port: sshd.port, hostKeys };
    await using remote = await connect(way);
    expect(remote.facts).toMatchObject({ sshFingerprint: expect.not.stringContaining('forged'), isDoubtful: true });
    const become = { method: 'su' as const, password: new Secret('not for this host') };
    expect(await rejection(connect({ ...way, become }))).toMatchObject({
      code: 'HOST_KEY',
      message: expect.stringContaining('su asks for a password, which is not sent'),
    });
    await onHost('mon1', 'rm', banner);
  });

  it('says what is wrong with a key, a login, an option, an address', async () => {
    const open = path.join(directory, 'open');
    await copyFile(path.join(sshDirectory, 'id_ed25519'), open);
    await chmod(open, 0o644);
    const wrong = path.join(directory, 'wrong');
    await writeFile(wrong, generateKey().privateKey, { mode: 0o600 });
    const table: readonly (readonly [Partial<Connection>, string, string])[] = [
      [{ identityFiles: [open] }, 'HOST_KEY_FILE', 'bad permissions'],
      [{ identityFiles: [path.join(directory, 'none')] }, 'HOST_KEY_FILE', 'no such file'],
      [{ identityFiles: [wrong] }, 'HOST_AUTH', 'Permission denied (publickey)'],
      [
        { sshArguments: ['-o', 'NoSuchOption=1'] },
        'HOST_UNREACHABLE',
        'does not take its options: command-line: line 0: Bad configuration option',
      ],
      [
        { sshArguments: ['-c', 'nonsense'] },
        'HOST_UNREACHABLE',
        "does not take its options: Unknown cipher type 'nonsense'",
      ],
      [{ port: 1 }, 'HOST_UNREACHABLE', 'Connection refused'],
      [{ address: 'no-such-host.invalid' }, 'HOST_UNREACHABLE', 'Could not resolve hostname'],
      [{ proxyCommand: 'false' }, 'HOST_UNREACHABLE', 'the command that leads there ended and said nothing'],
      [{ proxyCommand: 'no-such-program' }, 'HOST_UNREACHABLE', 'no-such-program: not found'],
    ];
    for (const [change, code, text] of table)
      expect(await rejection(connect({ transport: 'openssh', ...change }))).toMatchObject({
        code,
        host: 'mon1',
        message: expect.stringContaining(text),
      });
    expect(await leftDirectories()).toEqual([]);
  });

  it('says when this machine has no ssh', async () => {
    const host = JSON.stringify(hostWith({ transport: 'openssh' }));
    const argv = ['test/faults/kept-connection.mjs', host];
    const { child, finished } = startProgram(process.execPath, argv, { PATH: '/nonexistent' });
    expect(await finished).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/HOST_UNREACHABLE[^]*Install the OpenSSH client on this machine, 7\.4 or later/),
    });
    expect(await leftDirectories(child.pid)).toEqual([]);
  });

  it('can be cancelled', async () => {
    await using silent = await startCutProxy({ host: '192.0.2.1', port: 22 });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('changed my mind')), 500);
    const host = hostWith({ transport: 'openssh', address: '127.0.0.1', port: silent.port });
    const user = { name: 'nobody', homeDirectory: directory };
    expect(await rejection(connectHost(host, { user, signal: controller.signal }))).toMatchObject({ code: 'ABORTED' });
    expect(await leftDirectories()).toEqual([]);
  });

  it('follows the options that Ansible would give, and takes few sessions when there are few', async () => {
    await using sshd = await startExtraSshd('mon1', 2253, ['MaxSessions=2', 'Ciphers=aes256-ctr']);
    const known = path.join(directory, 'few_known_hosts');
    await sshd.writeKnownHosts(known);
    const sshArguments = ['-o', 'ControlMaster=auto', '-o', 'ControlPersist=60s', '-C', '-o', 'Ciphers=aes256-ctr'];
    await using remote = await connect({
      transport: 'openssh',
      port: sshd.port,
      hostKeys: trusting(known),
      sshArguments,
    });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => remote.run({ argv: ['echo', String(index)] })),
    );
    expect(answers.map(({ stdout }) => Number(stdout.toString()))).toEqual(answers.map((_, index) => index));
  });
});

describe("a stream by the system's ssh", () => {
  it.each([0, 1, 5_000_000])('fails when the connection is cut after %i bytes', async (bytes) => {
    await using proxy = await startCutProxy({ host: addresses.mon1, port: 22 });
    const hostKeys = { ...hostWith().connection.hostKeys, alias: addresses.mon1 };
    await using remote = await connect({ transport: 'openssh', address: '127.0.0.1', port: proxy.port, hostKeys });
    const stream = await remote.read({ argv: ['head', '-c', '60000000', '/dev/urandom'] });
    proxy.cutAfter(bytes);
    const end = await drain(stream);
    expect(end.error).toMatchObject({ code: 'STREAM_CUT', host: 'mon1', retryable: true });
    expect(end.bytes).toBeLessThan(60_000_000);
    expect(await rejection(remote.run({ argv: ['true'] }))).toMatchObject({ code: 'STREAM_CUT' });
  });

  it('and what it began ends when this program is killed', async () => {
    const host = JSON.stringify(hostWith({ transport: 'openssh' }));
    const { child, finished } = startProgram(process.execPath, ['test/faults/kept-connection.mjs', host]);
    if (child.stdout === null) throw new Error('no standard output');
    await once(child.stdout, 'data');
    const masters = async (): Promise<string> => {
      const { stdout } = await startProgram('pgrep', ['-fx', `ssh -N .*/lsbackup-${child.pid}-.*`]).finished;
      return stdout;
    };
    expect(await masters()).not.toBe('');
    expect(await leftDirectories(child.pid)).toHaveLength(1);
    child.kill('SIGKILL');
    await finished;
    const running = (): Promise<string> => onHost('mon1', 'sh', '-c', 'pgrep -fx "sleep 3399" || true');
    for (let tries = 0; tries < 60; tries += 1) {
      if ((await masters()) === '' && (await leftDirectories(child.pid)).length === 0 && (await running()) === '')
        break;
      await delay(250);
    }
    expect([await masters(), await leftDirectories(child.pid), await running()]).toEqual(['', [], '']);
  });
});

describe('where sshd refuses to forward', () => {
  const port = 2254;
  const known = (): string => path.join(directory, 'refusing_known_hosts');
  let sshd: AsyncDisposable;

  beforeAll(async () => {
    const settings = ['AllowTcpForwarding=no', 'AllowStreamLocalForwarding=no'];
    const started = await startExtraSshd('mon2', port, settings);
    await started.writeKnownHosts(known());
    sshd = started;
  });

  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
  });

  const refusing = (transport: 'ssh' | 'openssh') => ({
    transport,
    address: addresses.mon2,
    port,
    hostKeys: trusting(known()),
  });

  describeConnections('a relay over our own SSH', () => tried(refusing('ssh')));
  describeConnections("a relay over the system's ssh", () => tried(refusing('openssh')));

  it.each(['ssh', 'openssh'] as const)('100 MB go both ways by %s', async (transport) => {
    await using remote = await connect(refusing(transport));
    await using server = await startEcho(remote, 'tcp');
    const socket = await remote.connect(server.address);
    const piece = randomBytes(1_000_000);
    const [sent, received] = [createHash('sha256'), createHash('sha256')];
    const read = (async () => {
      for await (const chunk of socket as AsyncIterable<Buffer>) received.update(chunk);
    })();
    for (let count = 0; count < 100; count += 1) {
      sent.update(piece);
      if (!socket.write(piece)) await once(socket, 'drain');
    }
    socket.end();
    await read;
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(warnings).toEqual([{ code: 'HOST_FORWARD', message: expect.stringContaining('Using exec relay.') }]);
  });

  it('a backup is complete all the same', async () => {
    const target = path.join(directory, 'target');
    await startProgram('mkdir', [target]).finished;
    const inventory = await readFile(path.join(root, 'test/cluster/build/inventory'), 'utf8');
    const build = path.join(directory, 'build');
    await startProgram('mkdir', [build]).finished;
    const changed = inventory
      .replace(/^mon2 .*$/m, `$& ansible_port=${port}`)
      .replaceAll('test/cluster/build/ssh/known_hosts', known())
      .replaceAll(' test/', ` ${root}/test/`)
      .replaceAll('=test/', `=${root}/test/`);
    await writeFile(path.join(build, 'inventory'), changed);
    const run = await startProgram(process.execPath, [
      path.join(root, 'packages/cli/bin/lsbackup.cjs'),
      ...['-b', build, '-t', target, '--limit', 'mon2', '--json'],
    ]).finished;
    expect(run).toMatchObject({ status: 0, stdout: expect.stringContaining('Using exec relay.') });
    expect(await readdir(target)).toHaveLength(1);
  });
});
