import { z } from 'zod';
import { keepStep } from '../../host-steps/keep-files.js';
import { restoreDirectory } from '../../host-steps/places.js';
import { stageStep } from '../../host-steps/stage-files.js';
import { requireVersion } from '../../host-steps/versions.js';
import { BackupError } from '../../model/errors.js';
import { artifactPath } from '../../model/names.js';
import { findMoved } from '../moved-hosts.js';
import type { RestoreContext, Step, UnitBackup } from '../restore.js';
import { componentName, versionCommands } from './discover.js';
import { boundPorts } from './listening.js';
import type { HaproxyOptions } from './options.js';
import { type ReplaceConfiguration, replaceConfiguration } from './replace-configuration.js';
import { serviceOf, unitName } from './service-control.js';

const identitySchema = z.object({ configurationFiles: z.array(z.string().startsWith('/')).min(1) });

/** Unpacked beside, the present files kept, contents replaced, checked by haproxy, reloaded. One set per host. */
export async function restore(context: RestoreContext<HaproxyOptions>, { unit }: UnitBackup): Promise<readonly Step[]> {
  const [archived = ''] = unit.hosts;
  const host = context.target(archived);
  const remote = await context.remote(host);
  const artifact = artifactPath(componentName, archived, 'config.tar');
  const { configurationFiles } = identitySchema.parse(unit.identity);
  const service = await serviceOf(remote, context.signal);
  requireVersion(unit, {
    host: host.name,
    component: componentName,
    version: await installedVersion(context, archived),
  });

  let configuration = '';
  const contents = await context.surveyTar(artifact, (name, content) => {
    const text = content.toString('utf8');
    if (configurationFiles.some((file) => `/${name}` === file || `/${name}`.startsWith(`${file}/`)))
      configuration += `${text}\n`;
    for (const { line, ...finding } of findMoved(text, context.moved))
      context.report({ host: host.name, where: `/${name}:${String(line)}`, ...finding });
  });
  const roots = contents.roots.filter((root) => !isOfPackage(root));
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
  return [
    stageStep(
      { host: host.name, artifact, directory, entries: contents.entries, bytes: contents.bytes },
      place('stage'),
    ),
    keepStep({ host: host.name, directory, roots }, place('keep')),
    {
      ...place('replace'),
      kind: replaceConfiguration.name,
      params,
      host: host.name,
      title: `replace the contents of ${roots.map((root) => `/${root}`).join(', ')} on ${host.name}, check them and reload haproxy`,
      preview: [
        `cp -a ${directory}/new/. /`,
        `haproxy -c ${configurationFiles.map((file) => `-f ${file}`).join(' ')}`,
        `systemctl ${params.shouldRun ? 'reload' : 'stop'} ${unitName}`,
      ],
      reads: [],
      isDestructive: true,
    },
  ];
}

/** What the package manager has put there belongs to the version that is installed. */
function isOfPackage(root: string): boolean {
  return /^(?:usr\/)?lib\//.test(root);
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
