import { createHash } from 'node:crypto';
import { z } from 'zod';
import { jsonFormat } from '../../formats/json.js';
import { filesArtifact } from '../../host-files/found-files.js';
import { askBody, parseBody } from '../../host-services/http-service.js';
import type { BackupContext, Unit } from '../component.js';
import { saveAlone } from '../save-alone.js';
import { filesPath, filesPolicy, readStatus, silencesFile, silencesPath, type AlertmanagerFound } from './discover.js';
import type { AlertmanagerOptions } from './options.js';

const maximumSilences = 64 * 1024 * 1024;
const silencesSchema = z.array(z.object({ status: z.object({ state: z.string() }) }));

/** Saves configuration and state as files, and the silences of this moment, because the files may be 15 minutes old: they are of use without the files, too. */
export async function backup(
  context: BackupContext<AlertmanagerOptions>,
  unit: Unit<AlertmanagerFound>,
): Promise<void> {
  const { found } = unit;
  const host = context.host(unit.hosts[0] ?? '');
  const remote = await context.remote(host);
  let entries: number | null = null;
  await saveAlone(
    context,
    filesArtifact({
      path: filesPath(host.name),
      remote,
      files: found.files,
      policy: filesPolicy,
      onEnd: (summary) => {
        entries = summary.entries;
      },
    }),
  );
  if (!found.silences) {
    context.baseline({ entries });
    return;
  }
  const question = { endpoint: found.endpoint, options: context.optionsFor(host), signal: context.signal };
  const status = await readStatus(remote, question);
  const asked = { ...question, path: silencesPath, maximumBytes: maximumSilences, schema: silencesSchema };
  const body = await askBody(remote, asked);
  await context.saveBytes({ path: silencesFile(host.name), format: jsonFormat, host: host.name }, body);
  context.baseline({
    entries,
    configSha256: createHash('sha256').update(status.config.original).digest('hex'),
    silences: countStates(parseBody(remote, asked, body)),
  });
}

function countStates(silences: z.infer<typeof silencesSchema>): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of silences) counts[status.state] = (counts[status.state] ?? 0) + 1;
  return counts;
}
