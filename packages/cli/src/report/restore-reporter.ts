import type { RestoreEvent } from '@lsbackup/core';
import { errorFields, errorText } from '../base/failure.js';
import type { RunOutput } from '../output/run-output.js';
import { createByteProgress } from './byte-progress.js';
import { writeCommonLine } from './common-lines.js';
import { printable } from './text.js';

/** How a restore is told while it goes on: lines for programs, one line a step for people. */
export function createRestoreReporter(output: RunOutput): { event(event: RestoreEvent): void } {
  const progress = createByteProgress(output, 'verifying');
  return {
    event: (event) => {
      if (event.type === 'started') output.runId = event.runId;
      if (event.type === 'progress') {
        progress.update(event);
        if (event.bytes >= event.total) progress.end();
        return;
      }
      writeLine(output, event);
      const text = output.json ? undefined : eventText(event);
      if (text !== undefined) output.note(printable(text));
    },
  };
}

function writeLine(output: RunOutput, event: RestoreEvent): void {
  switch (event.type) {
    case 'plan':
      output.line('plan', { ...event.plan });
      return;
    case 'step':
      output.line('step', {
        set: event.set,
        step: event.step,
        title: event.title,
        status: event.status,
        error: event.error ? errorFields(event.error) : null,
      });
      return;
    case 'set': {
      const { component, set, status, error } = event.outcome;
      output.line('component', { component, set, status, error: error ? errorFields(error) : null });
      return;
    }
    case 'host':
    case 'warning':
    case 'error':
      writeCommonLine(output, event);
      return;
    case 'started':
    case 'progress':
      return;
  }
}

function eventText(event: RestoreEvent): string | undefined {
  switch (event.type) {
    case 'host':
      return event.error === undefined ? undefined : errorText(event.error);
    case 'step':
      if (event.status === 'started') return `  ${event.title}`;
      if (event.status === 'undoing') return `  undoing: ${event.title}`;
      return event.status === 'failed' && event.error !== undefined ? errorText(event.error) : undefined;
    case 'set':
      return `${event.outcome.set}: ${event.outcome.status}`;
    case 'warning':
      return `Warning: ${event.message} [${event.code}]`;
    case 'error':
      return errorText(event.error);
    case 'started':
    case 'plan':
    case 'progress':
      return undefined;
  }
}
