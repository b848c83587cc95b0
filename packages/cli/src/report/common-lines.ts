import type { CommonEvent } from '@lsbackup/core';
import { errorFields } from '../base/failure.js';
import type { RunOutput } from '../output/run-output.js';

/** The line of an event that a backup has as well as a restore. */
export function writeCommonLine(output: RunOutput, event: CommonEvent): void {
  switch (event.type) {
    case 'host':
      output.line('host', {
        host: event.host,
        status: event.status,
        error: event.error ? errorFields(event.error) : null,
      });
      return;
    case 'warning':
      output.line('warning', {
        code: event.code,
        message: event.message,
        host: event.host ?? null,
        component: event.component ?? null,
      });
      return;
    case 'error':
      output.line('error', errorFields(event.error));
      return;
  }
}
