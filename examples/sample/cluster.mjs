/** A small cluster to try lsbackup on: several SSH servers in this process, each with HAProxy's files in a folder of its own. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { generateKey, startSampleHost } from '../../test/support/ssh-server.mjs';

const defaultHosts = ['lb1', 'lb2', 'lb3'];

/**
 * Makes `directory` anew (keys, known_hosts, files, inventory: a build directory for lsbackup) and starts one server per host.
 * Throws when the servers of an earlier one still run there: its backups would fail without their keys and ports.
 * `faults(host, command)` may say what goes wrong with a command (test/support/ssh-server.d.mts).
 */
export async function startSampleCluster({ directory, hosts = defaultHosts, faults = () => undefined }) {
  if (await stillRuns(directory)) {
    throw new Error(`a sample cluster is still running in ${directory}: end it first, with Ctrl-C in its terminal.`);
  }
  await rm(directory, { recursive: true, force: true });
  await mkdir(join(directory, 'ssh'), { recursive: true, mode: 0o700 });
  const key = generateKey('lsbackup-sample');
  await writeFile(join(directory, 'ssh', 'id_ed25519'), key.privateKey, { mode: 0o600 });

  const servers = [];
  for (const name of hosts) {
    const configuration = await writeHaproxyFiles(join(directory, 'hosts', name), name);
    const server = await startSampleHost({
      authorizedKeys: [key.publicKey],
      faults: (command) => faults(name, command),
    });
    servers.push({ name, configuration, server });
  }

  const knownHosts = servers.map(({ server }) => server.knownHostsLine).join('');
  await writeFile(join(directory, 'ssh', 'known_hosts'), knownHosts);
  await writeFile(join(directory, 'inventory'), inventoryText(directory, servers));
  return {
    directory,
    hosts: servers,
    close: () => Promise.all(servers.map(({ server }) => server.close())),
  };
}

/** Whether every port of the inventory answers; a single one may have gone to another program since. */
async function stillRuns(directory) {
  const inventory = await readFile(join(directory, 'inventory'), 'utf8').catch(() => '');
  const ports = [...inventory.matchAll(/ ansible_port=(\d+)/g)].map(([, port]) => Number(port));
  const answers = await Promise.all(ports.map(answersAt));
  return answers.length > 0 && answers.every(Boolean);
}

function answersAt(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** The directory of one host's configuration, as /etc/haproxy would be. */
async function writeHaproxyFiles(root, name) {
  const configuration = join(root, 'etc', 'haproxy');
  await mkdir(join(configuration, 'maps'), { recursive: true });
  await mkdir(join(configuration, 'errors'), { recursive: true });
  await writeFile(join(configuration, 'haproxy.cfg'), haproxyConfiguration(name));
  await writeFile(join(configuration, 'maps', 'hosts.map'), `${name}.example.org web\napi.example.org api\n`);
  await writeFile(join(configuration, 'errors', '503.http'), 'HTTP/1.0 503 Service Unavailable\r\n\r\n');
  return configuration;
}

/** Names are relative to the configuration itself, so that it holds wherever the directory is. */
function haproxyConfiguration(name) {
  return `# ${name} of the sample cluster
global
    default-path config
    maxconn 2000

defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    errorfile 503 errors/503.http

frontend public
    bind 127.0.0.1:8080
    use_backend %[req.hdr(host),lower,map(maps/hosts.map,web)]

backend web
    server web1 127.0.0.1:8081 check

backend api
    server api1 127.0.0.1:8082 check
`;
}

/** Like the inventory of a real build directory, plus what a host of the sample differs in: its port, its folder, no sudo. */
function inventoryText(directory, servers) {
  const hosts = servers.map(({ name, server, configuration }) =>
    [
      name,
      'ansible_host=127.0.0.1',
      `ansible_port=${server.port}`,
      `lsbackup_haproxy_config_file=${shellWord(join(configuration, 'haproxy.cfg'))}`,
      `lsbackup_haproxy_paths=${shellWord(configuration)}`,
    ].join(' '),
  );
  const keyFile = sshPath(join(directory, 'ssh', 'id_ed25519'));
  const knownHosts = quoted(sshPath(join(directory, 'ssh', 'known_hosts')));
  // ansible_ssh_common_args is a command line, in which ssh wants quotes of its own around a file name with spaces.
  return `[haproxy]
${hosts.join('\n')}

[all:vars]
ansible_user=sample
ansible_become=false
ansible_ssh_private_key_file=${quoted(keyFile)}
ansible_ssh_common_args=${quoted(`-o ${shellWord(`UserKnownHostsFile=${knownHosts}`)}`)}
`;
}

/** A file name for ssh, which expands `%h` and the like. */
function sshPath(path) {
  return path.replaceAll('%', '%%');
}

/** As the text of a variable, and as a word of an option of ssh. */
function quoted(text) {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

function shellWord(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
