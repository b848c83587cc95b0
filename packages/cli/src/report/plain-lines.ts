import type { BackupEvent } from '@lsbackup/core';
import { eventText, type View } from './event-text.js';
import { bytesText, counted, printable } from './text.js';

const progressSeconds = 10;

/** One line per thing that happens, and one every ten seconds while bytes flow: for logs and pipes. */
export function createPlainLines(write: (line: string) => void, now: () => number = Date.now): View {
  let lastProgress = now();
  return {
    event: (event) => {
      const text = event.type === 'progress' ? progressText(event) : lineText(event);
      if (text === undefined) return;
      if (event.type === 'progress') {
        if (now() - lastProgress < progressSeconds * 1000) return;
        lastProgress = now();
      }
      write(printable(text));
    },
    clear: () => undefined,
  };
}

function lineText(event: BackupEvent): string | undefined {
  if (event.type === 'plan') {
    return `${counted(event.units, 'unit')}, ${counted(event.artifacts, 'artifact')}, about ${bytesText(event.expectedBytes)}`;
  }
  if (event.type === 'component' && event.status === 'started') return `${event.component}/${event.unit} started`;
  return eventText(event);
}

/** Totals so far. */
export function progressText(event: BackupEvent & { type: 'progress' }): string {
  return `${event.artifactsSaved} of ${counted(event.artifactsExpected, 'artifact')}, ${bytesText(event.bytesRead)} read, ${bytesText(event.bytesWritten)} written`;
}
