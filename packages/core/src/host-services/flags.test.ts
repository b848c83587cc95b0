import { describe, expect, it } from '@jest/globals';
import { FakeHost } from '../testing/fake-host.js';
import { parseFlags, parseHelp, pathFlag, readFlags } from './flags.js';
import { endpointOf, servesTls } from './http-service.js';
import type { Service } from './systemd.js';

/** Of Debian's prometheus-alertmanager 0.25 and prometheus 2.42. */
const help = `usage: prometheus-alertmanager [<flags>]

Flags:
  -h, --help                     Show context-sensitive help (also try
                                 --help-long and --help-man).
      --config.file="/etc/prometheus/alertmanager.yml"  
                                 Alertmanager configuration file name.
      --storage.path="/var/lib/prometheus/alertmanager/"  
                                 Base path for data storage.
      --data.retention=120h      How long to keep data for.
      --web.listen-address=:9093 ...  
                                 Addresses on which to expose metrics
      --web.config.file=""       [EXPERIMENTAL] Path to configuration file
      --web.external-url=WEB.EXTERNAL-URL  
                                 The URL under which Alertmanager is reachable
      --web.route-prefix=<path>  Prefix for the internal routes of web endpoints.
      --[no-]web.enable-lifecycle
`;
const service: Service = {
  unit: 'a.service',
  state: 'active',
  running: true,
  arguments: ['/usr/bin/alertmanager', '--storage.path=here'],
  workingDirectory: '/srv/am',
  user: 'prometheus',
  files: [],
};
const signal = new AbortController().signal;

describe('flags', () => {
  it('reads a command line', () => {
    expect([
      ...parseFlags([
        '/bin/p',
        '--config.file=/a b',
        '-storage.path',
        '/data',
        '--web.enable-admin-api',
        '--no-web.enable-lifecycle',
        '--web.listen-address=:1',
        '--web.listen-address=:2',
        'word',
        '--empty=',
      ]),
    ]).toEqual([
      ['config.file', '/a b'],
      ['storage.path', '/data'],
      ['web.enable-admin-api', 'true'],
      ['web.enable-lifecycle', 'false'],
      ['web.listen-address', ':1'],
      ['empty', ''],
    ]);
  });

  it('reads the defaults that --help shows, not its placeholders', () => {
    expect([...parseHelp(help)]).toEqual([
      ['config.file', '/etc/prometheus/alertmanager.yml'],
      ['storage.path', '/var/lib/prometheus/alertmanager/'],
      ['data.retention', '120h'],
      ['web.listen-address', ':9093'],
      ['web.config.file', ''],
    ]);
  });

  it('puts the service’s own arguments over the defaults', async () => {
    const remote = new FakeHost({ rules: [{ argv: ['/usr/bin/alertmanager', '--help'], answer: { stderr: help } }] });
    const flags = await readFlags(remote, service, signal);
    expect(pathFlag(flags, 'storage.path', service)).toBe('/srv/am/here');
    expect(pathFlag(flags, 'config.file', service)).toBe('/etc/prometheus/alertmanager.yml');
    expect(pathFlag(flags, 'web.config.file', service)).toBeUndefined();
    expect(pathFlag(new Map([['x', '/var//lib/./p/']]), 'x', service)).toBe('/var/lib/p');
    expect([...(await readFlags(new FakeHost(), service, signal))]).toEqual([['storage.path', 'here']]);
  });
});

describe('endpointOf', () => {
  it.each([
    [{ 'web.listen-address': '0.0.0.0:9090' }, '127.0.0.1', 9090, ''],
    [{ 'web.listen-address': ':9093' }, '127.0.0.1', 9093, ''],
    [{ 'web.listen-address': '[::]:9' }, '127.0.0.1', 9, ''],
    [{ 'web.listen-address': '[fd00::1]:9' }, 'fd00::1', 9, ''],
    [{ 'web.listen-address': '10.0.0.5:80', 'web.external-url': 'https://x.example/prom/' }, '10.0.0.5', 80, '/prom'],
    [{ 'web.external-url': 'https://x.example/prom/', 'web.route-prefix': '/' }, '127.0.0.1', 9090, ''],
    [{}, '127.0.0.1', 9090, ''],
  ])('%j', (flags, host, port, prefix) => {
    expect(endpointOf(new Map(Object.entries(flags)), {}, { port: 9090, tls: false })).toEqual({
      host,
      port,
      tls: false,
      prefix,
    });
  });

  it('takes the option before everything else', () => {
    expect(endpointOf(new Map(), { url: 'https://[::1]/a/' }, { port: 1, tls: false })).toEqual({
      host: '::1',
      port: 443,
      tls: true,
      prefix: '/a',
    });
    expect(endpointOf(new Map(), { url: 'http://localhost:8080' }, { port: 1, tls: true })).toEqual({
      host: 'localhost',
      port: 8080,
      tls: false,
      prefix: '',
    });
  });

  it('sees TLS in a web configuration file', () => {
    expect(servesTls('basic_auth_users:\n  x: y\ntls_server_config:\n  cert_file: a\n')).toBe(true);
    expect(servesTls('# tls_server_config:\n')).toBe(false);
  });
});
