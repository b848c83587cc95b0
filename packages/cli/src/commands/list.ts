import type { ArchiveSummary } from '@lsbackup/core';
import { QueryCommand } from '../base/base-command.js';
import { openTarget } from '../base/environment.js';
import { configFlags, outputFlags, targetFlag } from '../base/flags.js';
import { readSettings, requireTarget } from '../config/settings.js';
import { bytesText, tableText } from '../report/text.js';

export class List extends QueryCommand {
  static override summary = 'List the archives of a target; one whose end is missing is shown as damaged.';
  static override examples = ['<%= config.bin %> list -t /target'];
  static override flags = { ...targetFlag, ...configFlags, ...outputFlags };

  protected async answer(signal: AbortSignal): Promise<number> {
    const { flags } = await this.parse(List);
    const settings = await readSettings(flags);
    await using target = await openTarget(requireTarget(settings), signal);
    const { listArchives } = await import('@lsbackup/core');
    const archives: ArchiveSummary[] = [];
    for await (const archive of listArchives(target, { signal })) archives.push(archive);
    if (flags.json) this.printDocument(archives);
    else if (archives.length === 0) this.notice(`no archives in ${target.description}`);
    else
      this.print(
        tableText(['NAME', 'DATE', 'STATUS', 'CLUSTER', 'SIZE', 'COMPONENTS', 'ARTIFACTS'], archives.map(row)),
      );
    return 0;
  }
}

function row(archive: ArchiveSummary): string[] {
  const size = bytesText(archive.bytes);
  if ('reason' in archive)
    return [archive.name, dateText(archive.modified.toISOString()), archive.status, '-', size, '-', archive.reason];
  const complete = archive.components.filter(({ status }) => status === 'complete').length;
  return [
    archive.name,
    dateText(archive.startedAt),
    archive.status,
    archive.cluster,
    size,
    `${complete}/${archive.components.length}`,
    String(archive.artifacts),
  ];
}

function dateText(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')}Z`;
}
