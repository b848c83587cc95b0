import type { BackupEvent } from '@lsbackup/core';
import { redrawsLines } from '../base/environment.js';
import { errorFields } from '../base/failure.js';
import type { RunOutput } from '../output/run-output.js';
import { standardError } from '../output/standard-streams.js';
import { writeCommonLine } from './common-lines.js';
import type { View } from './event-text.js';
import { createLiveTable } from './live-table.js';
import { createPlainLines } from './plain-lines.js';
import type { NotBackedUp } from './not-backed-up.js';

/** How a run is told while it goes on. */
export interface BackupReporter {
  event(event: BackupEvent): void;
  /** What events said was not saved; for a run that ends without metadata. */
  missed(): NotBackedUp;
}

export function createBackupReporter(output: RunOutput): BackupReporter {
  const view = output.json ? undefined : createView();
  if (view !== undefined) output.beforeText(() => view.clear());
  const units = new Map<string, NotBackedUp['units'][number]>();
  const hosts = new Map<string, NotBackedUp['hosts'][number]>();
  return {
    event: (event) => {
      if (event.type === 'started') output.runId = event.runId;
      if (event.type === 'component' && event.status !== 'started') {
        const { component, unit, status, reason, error } = event;
        if (status !== 'complete')
          units.set(`${component}/${unit}`, {
            component,
            unit,
            status,
            reason: error?.reason ?? reason ?? null,
            code: error?.code ?? null,
          });
      }
      if (event.type === 'host' && event.status === 'failed') {
        hosts.set(event.host, { host: event.host, reason: event.error?.reason ?? 'not reached' });
      }
      writeLine(output, event);
      view?.event(event);
    },
    missed: () => ({ units: [...units.values()], artifacts: [], hosts: [...hosts.values()], uncoveredGroups: [] }),
  };
}

function createView(): View {
  const { stderr } = process;
  if (!redrawsLines()) return createPlainLines((line) => standardError.write(`${line}\n`));
  return createLiveTable({
    get columns() {
      return stderr.columns;
    },
    get rows() {
      return stderr.rows;
    },
    write: (text) => standardError.write(text),
  });
}

function writeLine(output: RunOutput, event: BackupEvent): void {
  switch (event.type) {
    case 'started':
      return;
    case 'plan':
      output.line('plan', { units: event.units, artifacts: event.artifacts, expectedBytes: event.expectedBytes });
      return;
    case 'component':
      output.line('component', {
        component: event.component,
        unit: event.unit,
        status: event.status,
        reason: event.reason ?? null,
        error: event.error ? errorFields(event.error) : null,
      });
      return;
    case 'progress': {
      const { bytesRead, bytesWritten, artifactsSaved, artifactsExpected, active } = event;
      output.line('progress', { bytesRead, bytesWritten, artifactsSaved, artifactsExpected, active });
      return;
    }
    case 'host':
    case 'warning':
    case 'error':
      writeCommonLine(output, event);
      return;
    case 'published':
      // The summary says it.
      return;
  }
}
