import { describeCommand } from '../../host-services/describe-command.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { Step } from '../restore.js';
import { fileOf, importCommand } from './import.js';
import { keptDirectory, keptFile } from './kept.js';
import { exportCommand } from './node.js';
import { someOf, type DefinedObject } from './objects.js';
import type { ImportParams } from './params.js';

/** What a plan tells of the changes. */
export interface Changes {
  readonly counts: string;
  readonly replaced: readonly DefinedObject[];
  readonly extras: readonly DefinedObject[];
}

/** The steps of one unit, in their order. */
export function stepsOf(
  { remote, runId, set }: { readonly remote: RemoteHost; readonly runId: string; readonly set: string },
  params: ImportParams,
  { counts, replaced, extras: others }: Changes,
): readonly Step[] {
  const { host, rabbitmqctl } = params;
  const shown = describeCommand(remote, exportCommand({ rabbitmqctl }));
  const imported = describeCommand(remote, {
    argv: importCommand(params, fileOf(params, runId)),
    become: params.user,
  });
  const step = (verb: string, more: Omit<Step, 'id' | 'kind' | 'set' | 'after' | 'host'>): Step => ({
    id: `${set}/${verb}`,
    kind: `rabbitmq.${verb}`,
    set,
    after: [],
    host,
    ...more,
  });
  const anew =
    replaced.length === 0
      ? ''
      : `; these are made anew if they hold no messages: ${someOf(replaced.map(({ label }) => label))}`;
  return [
    step('keep-definitions', {
      params: { host, rabbitmqctl },
      title: `keep the present definitions in ${keptDirectory(runId)}`,
      preview: [`${shown} > ${keptFile(runId)}`],
      reads: [],
    }),
    step('import-definitions', {
      params,
      title: `import ${counts}${anew}`,
      preview: [imported],
      reads: [params.path],
      isDestructive: true,
    }),
    step('verify', {
      params,
      title: 'compare the definitions with the archive',
      preview: [shown],
      reads: [params.path],
    }),
    ...(others.length === 0
      ? []
      : [
          step('remove-extra', {
            params: { ...params, extras: others.map(({ key }) => key) },
            title: `REMOVE ${others.length} objects that the archive does not have, WITH THE MESSAGES IN THEM: ${someOf(others.map(({ label }) => label))}`,
            preview: [describeCommand(remote, { argv: [rabbitmqctl, 'eval', '...'], become: params.user })],
            reads: [params.path],
            isDestructive: true,
          }),
        ]),
  ];
}
