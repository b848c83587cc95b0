import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { feedHost, onHost, shellOnHost } from './cluster-host.js';

/** A login that the test makes on a host of the test cluster and takes away again. */
export interface Login {
  readonly name: string;
  readonly password?: string;
  /** May use sudo: without a password, with it, or not at all. */
  readonly sudo: 'free' | 'password' | 'none';
  /** Line for authorized_keys. */
  readonly publicKey?: string;
}

/** Makes the login; `directory` is for files on this machine. */
export async function addLogin(host: string, login: Login, directory: string): Promise<AsyncDisposable> {
  const { name, password, sudo, publicKey = '' } = login;
  await removeLogin(host, name);
  await onHost(host, 'useradd', '-m', '-s', '/bin/bash', name);
  const given = join(directory, `password-${host}`);
  await writeFile(given, `${name}:${password ?? ''}\n`, { mode: 0o600 });
  if (password !== undefined) await feedHost(host, given, 'chpasswd');
  await writeFile(given, `${publicKey}\n`);
  await onHost(host, 'mkdir', '-p', '/etc/ssh/authorized_keys.d');
  await feedHost(
    host,
    given,
    'sh',
    '-c',
    `cat > /etc/ssh/authorized_keys.d/${name}; chmod 644 /etc/ssh/authorized_keys.d/${name}`,
  );
  const rule = { free: `${name} ALL=(ALL) NOPASSWD:ALL`, password: `${name} ALL=(ALL) ALL`, none: '' }[sudo];
  await onHost(
    host,
    'sh',
    '-c',
    `printf '%s\\n' "$1" > /etc/sudoers.d/${name}; chmod 440 /etc/sudoers.d/${name}`,
    'sh',
    rule,
  );
  return { [Symbol.asyncDispose]: () => removeLogin(host, name) };
}

async function removeLogin(host: string, name: string): Promise<void> {
  await shellOnHost(
    host,
    `rm -f /etc/sudoers.d/${name} /etc/ssh/authorized_keys.d/${name}; pkill -KILL -u ${name} || true; id ${name} >/dev/null 2>&1 && userdel -rf ${name} 2>/dev/null || true; systemctl reset-failed`,
  );
}

/** Adds lines to a host's sshd_config before all others, for new connections. */
export async function configureSshd(host: string, lines: readonly string[]): Promise<AsyncDisposable> {
  const file = '/etc/ssh/sshd_config.d/00-ways-in.conf';
  const reload = 'sshd -t && systemctl reload ssh';
  await onHost(host, 'sh', '-c', `printf '%s\\n' "$@" > ${file} && ${reload}`, 'sh', ...lines);
  return { [Symbol.asyncDispose]: () => shellOnHost(host, `rm -f ${file}; ${reload}`).then(() => undefined) };
}

/** Lets a host answer on its port 22 to one address only. */
export async function answerOnlyTo(host: string, address: string): Promise<AsyncDisposable> {
  const rules = [
    `INPUT -p tcp --dport 22 -s ${address} -j ACCEPT`,
    'INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset',
  ];
  await shellOnHost(
    host,
    rules.map((rule, index) => `iptables -I ${rule.replace('INPUT', `INPUT ${String(index + 1)}`)}`).join(' && '),
  );
  return {
    [Symbol.asyncDispose]: () =>
      shellOnHost(host, rules.map((rule) => `iptables -D ${rule}`).join('; ')).then(() => undefined),
  };
}

/** Makes the changes in order, does the work, and takes them back in reverse, whatever happens. */
export async function during(
  changes: readonly (() => Promise<AsyncDisposable>)[],
  work: () => Promise<void>,
): Promise<void> {
  const [first, ...rest] = changes;
  if (first === undefined) return work();
  const change = await first();
  try {
    await during(rest, work);
  } finally {
    await change[Symbol.asyncDispose]();
  }
}
