import type { BackupEvent } from '@lsbackup/core';
import { eventText, type View } from './event-text.js';
import { progressText } from './plain-lines.js';
import { bytesText, counted, durationText, printable } from './text.js';

/** The part of a terminal that is needed; a test has its own. */
export interface Terminal {
  /** Undefined or 0: not known. */
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const eraseDown = '\u001b[J';

/** What runs now, redrawn in place below the permanent lines of what has ended or went wrong. */
export function createLiveTable(terminal: Terminal, now: () => number = Date.now): View {
  const startedAt = now();
  const running = new Set<string>();
  let progress: (BackupEvent & { type: 'progress' }) | undefined;
  let units: number | undefined;
  let ended = 0;
  let drawn = 0;

  const clear = (): void => {
    if (drawn > 0) terminal.write(`\u001b[${drawn}A\r${eraseDown}`);
    drawn = 0;
  };

  const tableLines = (): string[] => {
    const streams = (progress?.active ?? []).map((stream) => `    ${stream.path}  ${bytesText(stream.bytesRead)}`);
    const units = [...running].map((unit) => `  ${unit}  running`);
    const lines = [...units, ...streams];
    const room = Math.max(1, sizeOr(24, terminal.rows) - 3);
    const shown =
      lines.length > room ? [...lines.slice(0, room - 1), `  ... and ${lines.length - room + 1} more`] : lines;
    return [...shown, totals()];
  };

  const unitsText = (): string =>
    units === undefined ? 'connecting and looking' : `${ended} of ${counted(units, 'unit')} ended`;

  const totals = (): string => {
    const seconds = (now() - startedAt) / 1000;
    // Small artifacts may all be saved before anybody counts bytes.
    if (progress === undefined) return `${durationText(seconds)}  ${unitsText()}`;
    const rate = seconds > 0 ? `, ${bytesText(progress.bytesRead / seconds)}/s` : '';
    return `${durationText(seconds)}  ${progressText(progress)}${rate}`;
  };

  const draw = (): void => {
    const columns = sizeOr(80, terminal.columns);
    const lines = tableLines().map((line) => printable(line).slice(0, columns - 1));
    clear();
    terminal.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };

  return {
    event: (event) => {
      if (event.type === 'progress') progress = event;
      if (event.type === 'plan') ({ units } = event);
      if (event.type === 'component') {
        const unit = `${event.component}/${event.unit}`;
        if (event.status === 'started') running.add(unit);
        else {
          running.delete(unit);
          ended++;
        }
      }
      const text = eventText(event);
      if (text !== undefined) {
        clear();
        terminal.write(`${printable(text)}\n`);
      }
      draw();
    },
    clear,
  };
}

/** A terminal that does not know its size says 0. */
function sizeOr(usual: number, told: number | undefined): number {
  return told === undefined || told === 0 ? usual : told;
}
