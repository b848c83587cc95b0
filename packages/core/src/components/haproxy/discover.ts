import { describeCommand } from '../../host-services/describe-command.js';
import { findServices, type Service } from '../../host-services/systemd.js';
import { filesCommand, findFiles, type FoundFiles } from '../../host-files/found-files.js';
import type { Warning } from '../../model/artifact.js';
import { artifactPath } from '../../model/names.js';
import type { Command, RemoteHost, TarPolicy } from '../../remote/remote-host.js';
import type { DiscoverContext, Discovery, Unit } from '../component.js';
import { discoverEachHost } from '../each-host.js';
import type { Sections } from './configuration.js';
import type { HaproxyOptions } from './options.js';
import { besideCertificates, readConfiguration, readVariables } from './read.js';

export const componentName = 'haproxy';

/** What `backup` needs to know again. Not an interface, so that it is Json. */
export type HaproxyFound = Readonly<{ files: FoundFiles; sections: Sections }>;

const defaultConfiguration = '/etc/haproxy/haproxy.cfg';
/** Where Debian, RHEL and LambdaStack (haproxy in a runc container) keep what belongs to haproxy. */
const usualPaths = [
  '/etc/haproxy',
  '/etc/ssl/haproxy',
  '/etc/default/haproxy',
  '/etc/sysconfig/haproxy',
  '/etc/logrotate.d/haproxy',
  '/etc/rsyslog.d/haproxy.conf',
  '/etc/rsyslog.d/49-haproxy.conf',
  '/opt/runc/haproxy/config.json',
];

/** One unit per host: each load balancer has its own configuration. */
export function discover(context: DiscoverContext<HaproxyOptions>): Promise<Discovery<HaproxyFound>> {
  return discoverEachHost(componentName, context, async (remote, host, signal) => ({
    unit: await discoverHost(remote, context.optionsFor(host), signal),
  }));
}

async function discoverHost(
  remote: RemoteHost,
  options: HaproxyOptions,
  signal: AbortSignal,
): Promise<Unit<HaproxyFound>> {
  const service =
    options.config_file === undefined ? (await findServices(remote, ['haproxy.service'], signal))[0] : undefined;
  const configurationFiles = options.config_file ?? configurationOf(service);
  const configuration = await readConfiguration(remote, configurationFiles, {
    workingDirectory: workingDirectoryOf(service),
    configurationFile: configurationFiles[0] ?? defaultConfiguration,
    variables: await readVariables(remote, service, signal),
    signal,
  });
  const usual =
    options.config_file === undefined ? [...usualPaths, ...(service?.files ?? []), ...bundleOf(service)] : [];
  const required = { paths: options.paths, hint: 'Correct the option haproxy.paths of this host.' };
  const beside = configuration.certificates.flatMap(besideCertificates);
  const paths = [...configurationFiles, ...configuration.files, ...beside, ...usual];
  const [{ files, warnings }, version] = await Promise.all([
    findFiles(remote, { service: 'haproxy', paths, required, named: configuration.files, signal }),
    readVersion(remote, service, signal),
  ]);
  const found: HaproxyFound = { files, sections: configuration.sections };
  return {
    name: remote.host.name,
    hosts: [remote.host.name],
    product: { name: 'HAProxy', ...version },
    roles: { service: service?.unit ?? 'none', state: service?.state ?? 'unknown' },
    consistency: 'file-copy',
    identity: { configurationFiles },
    containsSecrets: true,
    artifacts: [
      {
        path: archivePath(remote),
        host: remote.host.name,
        size: files.bytes,
        commands: [describeCommand(remote, filesCommand(remote, files, filesPolicy))],
      },
    ],
    warnings: [
      ...warnings,
      ...configuration.unresolved.map((name) => unresolvedWarning(remote, name)),
      ...downWarning(remote, service),
    ],
    found,
  };
}

export function archivePath(remote: RemoteHost): string {
  return artifactPath(componentName, remote.host.name, 'config.tar');
}

/** Configuration files do not change by themselves: one that does while it is read is torn, and fails the artifact. */
export const filesPolicy: TarPolicy = { mayChange: false, mayVanish: false };

type CommandLine = Pick<Service, 'arguments' | 'workingDirectory'>;

/** What relative names are relative to: `-C`, else the unit's directory, which is `/` unless it says otherwise (systemd.exec(5)). */
export function workingDirectoryOf(service: CommandLine | undefined): string {
  const words = service?.arguments ?? [];
  const unit = service?.workingDirectory.startsWith('/') === true ? service.workingDirectory : '/';
  const option = isHaproxy(words[0]) ? words.indexOf('-C') : -1;
  const directory = option < 0 ? undefined : words[option + 1];
  if (directory === undefined) return unit;
  return directory.startsWith('/') ? directory : `${unit.replace(/\/$/, '')}/${directory}`;
}

/** The files given to haproxy with `-f` or after `--`, from its command line; the usual one when there is none to see (a container). */
export function configurationOf(service: CommandLine | undefined): readonly string[] {
  const words = service?.arguments ?? [];
  if (!isHaproxy(words[0])) return [defaultConfiguration];
  const base = workingDirectoryOf(service);
  const files: string[] = [];
  for (let index = 1; index < words.length; index++) {
    const next = words[index + 1];
    if (words[index] === '--') {
      files.push(...words.slice(index + 1));
      break;
    }
    if (words[index] === '-f' && next !== undefined) files.push(next);
  }
  const absolute = files.map((file) => (file.startsWith('/') ? file : `${base.replace(/\/$/, '')}/${file}`));
  return absolute.length === 0 ? [defaultConfiguration] : absolute;
}

function isHaproxy(program = ''): boolean {
  return /(?:^|\/)haproxy[^/]*$/.test(program);
}

/** LambdaStack's unit runs `runc`, with the bundle as working directory or named by an option. */
function bundleOf(service: Service | undefined): readonly string[] {
  const words = service?.arguments ?? [];
  if (!/(?:^|\/)runc$/.test(words[0] ?? '')) return [];
  const option = words.findIndex((word) => word === '-b' || word === '--bundle');
  const bundle =
    (option < 0 ? undefined : words[option + 1]) ??
    words.find((word) => word.startsWith('--bundle='))?.slice('--bundle='.length) ??
    service?.workingDirectory;
  return bundle === undefined || bundle === '/' ? [] : [`${bundle.replace(/\/$/, '')}/config.json`];
}

interface Version {
  readonly version: string;
  readonly detectedBy: string;
}

async function readVersion(remote: RemoteHost, service: Service | undefined, signal: AbortSignal): Promise<Version> {
  for (const command of versionCommands(service)) {
    const { stdout, status } = await remote.run({ ...command, accept: [0, 1, 126, 127] }, { signal });
    const version = status === 0 ? /^HA-?Proxy version (\S+)/m.exec(stdout.toString('utf8'))?.[1] : undefined;
    if (version !== undefined) return { version, detectedBy: command.argv.join(' ') };
  }
  return { version: 'unknown', detectedBy: 'no haproxy program found' };
}

/** The running program itself, else the one in LambdaStack's container, else whatever is installed. */
export function versionCommands(service: Pick<Service, 'arguments' | 'running'> | undefined): readonly Command[] {
  const program = service?.arguments[0] ?? '';
  const installed: Command[] = [{ argv: ['haproxy', '-v'] }, { argv: ['/usr/sbin/haproxy', '-v'] }];
  if (/(?:^|\/)runc$/.test(program) && service?.running === true)
    return [
      {
        argv: [program, 'exec', service.arguments.at(-1) ?? 'haproxy', '/usr/local/sbin/haproxy', '-v'],
        become: 'root',
      },
      ...installed,
    ];
  return /^\/.*\/haproxy[^/]*$/.test(program) ? [{ argv: [program, '-v'] }, ...installed] : installed;
}

function unresolvedWarning(remote: RemoteHost, name: string): Warning {
  const message = `${remote.host.name}: haproxy's configuration names ${name}, which is not saved: its variable is not known`;
  return { code: 'FILE_MISSING', message };
}

function downWarning(remote: RemoteHost, service: Service | undefined): readonly Warning[] {
  if (service === undefined || service.running) return [];
  return [
    {
      code: 'SERVICE_DOWN',
      message: `${remote.host.name}: ${service.unit} is ${service.state}; its configuration is saved all the same`,
    },
  ];
}
