import { z } from 'zod';
import { keepStep } from '../../host-steps/keep-files.js';
import { restoreDirectory } from '../../host-steps/places.js';
import { stageStep } from '../../host-steps/stage-files.js';
import { requireVersion } from '../../host-steps/versions.js';
import { BackupError } from '../../model/errors.js';
import { nameList } from '../../model/name-list.js';
import { artifactPath } from '../../model/names.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { findMoved } from '../moved-hosts.js';
import type { RestoreContext, Step, UnitBackup } from '../restore.js';
import { componentName, versionCommands } from './discover.js';
import { boundPorts, isReadBy } from './listening.js';
import type { HaproxyOptions } from './options.js';
import { type ReplaceConfiguration, replaceConfiguration } from './replace-configuration.js';
import { splitRoots } from './roots.js';
import { serviceOf, unitName } from './service-control.js';

const identitySchema = z.object({ configurationFiles: z.array(z.string().startsWith('/')).min(1) });

/** Unpacked beside, the present files kept, contents replaced, checked by haproxy, reloaded. One set per host. */
export async function restore(context: RestoreContext<HaproxyOptions>, { unit }: UnitBackup): Promise<readonly Step[]> {
  const [archived = ''] = unit.hosts;
  const host = context.target(archived);
  const remote = await context.remote(host);
  const artifact = artifactPath(componentName, archived, 'config.tar');
  const { configurationFiles } = identitySchema.parse(unit.identity);
  await refuseMasked(remote, context.signal);
  const service = await serviceOf(remote, context.signal);
  requireVersion(unit, {
    host: host.name,
    component: componentName,
    version: await installedVersion(context, archived),
  });

  let configuration = '';
  const contents = await context.surveyTar(artifact, (name, content) => {
    const text = content.toString('utf8');
    if (configurationFiles.some((file) => isReadBy(file, `/${name}`))) configuration += `${text}\n`;
    for (const { line, ...finding } of findMoved(text, context.moved))
      context.report({ host: host.name, where: `/${name}:${String(line)}`, ...finding });
  });
  const { roots, shared } = await splitRoots(context, remote, { roots: contents.roots, configurationFiles });
  if (service === undefined && !roots.includes(`etc/systemd/system/${unitName}`))
    throw new BackupError('SERVICE_MISSING', `${host.name}: there is no ${unitName} on this host`, {
      host: host.name,
      hint: 'Install HAProxy there first.',
    });

  const directory = restoreDirectory(context.runId, `${componentName}-${host.name}`);
  const set = `${componentName}@${host.name}`;
  const place = (name: string): Pick<Step, 'id' | 'set' | 'after'> => ({ id: `${set}/${name}`, set, after: [] });
  const params: ReplaceConfiguration = {
    host: host.name,
    directory,
    roots,
    configurationFiles,
    shouldRun: unit.roles?.state === 'active',
    ports: boundPorts(configuration),
  };
  // What runs takes over what is restored, also where the archived service was down: a restore stops nobody's service.
  const verb = service?.running === true ? 'reload' : params.shouldRun ? 'start' : undefined;
  return [
    stageStep(
      { host: host.name, artifact, directory, entries: contents.entries, bytes: contents.bytes },
      place('stage'),
    ),
    keepStep({ host: host.name, directory, roots, shared }, place('keep')),
    {
      ...place('replace'),
      kind: replaceConfiguration.name,
      params,
      host: host.name,
      title: `replace the contents of ${nameList(roots.map((root) => `/${root}`))} on ${host.name}, check them${verb === undefined ? '' : ` and ${verb} haproxy`}`,
      preview: [
        `cp -a ${directory}/new/. /`,
        `haproxy -c ${configurationFiles.map((file) => `-f ${file}`).join(' ')}`,
        ...(verb === undefined ? [] : [`systemctl ${verb} ${unitName}`]),
      ],
      reads: [],
      isDestructive: true,
    },
  ];
}

/** A masked unit can neither be started nor reloaded, and somebody wanted that. Errors: RESTORE_REFUSED. */
async function refuseMasked(remote: RemoteHost, signal: AbortSignal): Promise<void> {
  const argv = ['systemctl', 'show', '--property=LoadState', '--value', '--', unitName];
  const { stdout } = await remote.run({ argv, accept: [0, 1, 127] }, { signal });
  if (stdout.toString('utf8').trim() !== 'masked') return;
  const host = remote.host.name;
  throw new BackupError('RESTORE_REFUSED', `${host}: ${unitName} is masked, so it cannot take over what is restored`, {
    host,
    component: componentName,
    hint: `systemctl unmask ${unitName} on ${host}, if it is to run there.`,
  });
}

async function installedVersion(
  context: RestoreContext<HaproxyOptions>,
  archived: string,
): Promise<string | undefined> {
  const remote = await context.remote(context.target(archived));
  const service = await serviceOf(remote, context.signal);
  for (const command of versionCommands(service)) {
    const { stdout, status } = await remote.run({ ...command, accept: [0, 1, 126, 127] }, { signal: context.signal });
    const version = status === 0 ? /^HA-?Proxy version (\S+)/m.exec(stdout.toString('utf8'))?.[1] : undefined;
    if (version !== undefined) return version;
  }
  return undefined;
}
