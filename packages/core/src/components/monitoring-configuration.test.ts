import { describe, expect, it } from '@jest/globals';
import { FakeHost } from '../testing/fake-host.js';
import { namedPatterns, readServiceConfiguration } from './monitoring-configuration.js';

const yaml = `
global:
  scrape_interval: 5s
rule_files:
  - /etc/prometheus/rules/*.rules   # all of them
  - "more/*.yml"
scrape_config_files: [ 'a b.yml', c.yml ]
scrape_configs:
  - job_name: files
    file_sd_configs:
      - files: ['/etc/prometheus/file_sd/*.json', targets.yml]
      - files:
          - sd/*.json
    tls_config:
      ca_file: /etc/ssl/ca.pem
      insecure_skip_verify: false
    basic_auth: { username: x, password_file: secrets/pw }
    bearer_token_file: <secret>
    static_configs:
      - targets: ['localhost:9090']
#rule_files: [ /not/this ]
templates:
- '/etc/alertmanager/*.tmpl'
`;

describe('namedPatterns', () => {
  it('finds files in block and flow style, relative to the configuration', () => {
    expect(namedPatterns(yaml, '/etc/p')).toEqual([
      '/etc/prometheus/rules/*.rules',
      '/etc/p/more/*.yml',
      '/etc/p/a b.yml',
      '/etc/p/c.yml',
      '/etc/prometheus/file_sd/*.json',
      '/etc/p/targets.yml',
      '/etc/p/sd/*.json',
      '/etc/ssl/ca.pem',
      '/etc/p/secrets/pw',
      '/etc/alertmanager/*.tmpl',
    ]);
  });
});

it('reads what it can of a text that is no YAML', () => {
  expect(namedPatterns('rule_files: [ /a.yml ]\n  - : {', '/etc/p')).toEqual(['/a.yml']);
  expect(() => namedPatterns('rule_files: *none', '/etc/p')).toThrow(
    expect.objectContaining({ code: 'SERVICE_ANSWER' }),
  );
  expect(namedPatterns('', '/etc/p')).toEqual([]);
});

describe('readServiceConfiguration', () => {
  const service = {
    unit: 'p.service',
    state: 'active',
    running: true,
    arguments: [],
    workingDirectory: '/',
    user: 'p',
    files: ['/etc/systemd/system/p.service'],
  };
  const signal = new AbortController().signal;

  it('takes the directory of the configuration under /etc, and what both files name', async () => {
    const remote = new FakeHost({
      rules: [
        { argv: ['cat', '--', '/etc/p/p.yml'], answer: { stdout: 'rule_files: [rules/*.yml]\n' } },
        {
          argv: ['cat', '--', '/etc/p/web.yml'],
          answer: { stdout: 'tls_server_config:\n  cert_file: /etc/ssl/p.pem\n' },
        },
        {
          argv: /^sh -c hidden/,
          answer: (command) => ({
            stdout: command.argv
              .slice(4)
              .map((pattern) => `${pattern.replace('*', 'one')}\n`)
              .join(''),
          }),
        },
      ],
    });
    const flags = new Map([
      ['config.file', '/etc/p/p.yml'],
      ['web.config.file', '/etc/p/web.yml'],
      ['web.console.templates', 'consoles'],
    ]);
    expect(await readServiceConfiguration(remote, { service, flags, signal })).toEqual({
      configFile: '/etc/p/p.yml',
      tls: true,
      required: { paths: ['/etc/p/p.yml', '/etc/p/web.yml'], hint: expect.stringContaining('p.service') },
      named: ['/etc/ssl/p.pem'],
      hidden: [],
      directories: ['/etc/p', '/consoles'],
      files: ['/etc/ssl/p.pem', '/etc/p/rules/one.yml', '/etc/systemd/system/p.service'],
    });
  });

  it('finds what the files of scrape_config_files name, from their own directory', async () => {
    const texts: Readonly<Record<string, string>> = {
      '/etc/p/p.yml': "scrape_config_files: ['/srv/p/jobs/*.yml', more.yml]\n",
      '/srv/p/jobs/one.yml':
        "scrape_configs:\n- authorization: { credentials_file: token }\n  file_sd_configs:\n  - files: ['sd/*.json']\n",
      '/etc/p/more.yml': 'scrape_configs:\n- basic_auth: { password_file: /srv/p/pw }\n',
      '/srv/p/jobs/token': 'scrape_configs:\n- bearer_token_file: /not/this\n',
    };
    const remote = new FakeHost({
      rules: [
        { argv: /^cat/, answer: ({ argv }) => ({ stdout: texts[argv.at(-1) ?? ''] ?? '' }) },
        {
          argv: /^sh -c hidden/,
          answer: ({ argv }) => ({ stdout: `${argv.slice(4).join('\n').replaceAll('*', 'one')}\n` }),
        },
      ],
    });
    const flags = new Map([['config.file', '/etc/p/p.yml']]);
    const { files, named } = await readServiceConfiguration(remote, { service, flags, signal });
    expect(named).toEqual(['/etc/p/more.yml', '/srv/p/jobs/token', '/srv/p/pw']);
    expect(files).toEqual([
      ...named,
      '/srv/p/jobs/one.yml',
      '/srv/p/jobs/sd/one.json',
      '/etc/systemd/system/p.service',
    ]);
  });

  it('takes no directory elsewhere, which may hold data', async () => {
    const remote = new FakeHost({ rules: [{ argv: /^cat/, answer: { status: 1 } }] });
    const { directories, files, required, tls } = await readServiceConfiguration(remote, {
      service,
      flags: new Map([['config.file', '/opt/p/p.yml']]),
      signal,
    });
    expect(directories).toEqual([]);
    expect(files).toEqual(['/etc/systemd/system/p.service']);
    expect(required.paths).toEqual(['/opt/p/p.yml']);
    expect(tls).toBe(false);
  });
});
