import { standardError, standardOutput } from './standard-streams.js';

/** Types of the JSON lines of a run (docs/json.md). */
export type LineType = 'plan' | 'host' | 'component' | 'step' | 'progress' | 'warning' | 'error' | 'summary' | 'exit';

export interface RunOutput {
  readonly json: boolean;
  /** Known once the run has one; it is on every line from then on. */
  runId: string | null;
  /** Writes a JSON line to standard output; with text output, nothing. */
  line(type: LineType, fields: Readonly<Record<string, unknown>>): void;
  /** Something for people, on standard error, in both modes: it is not part of the result. */
  note(text: string): void;
  /** Registers what must be taken off the screen before anything else is written there. */
  beforeText(clear: () => void): void;
  /** The last words, exactly once: `summary` and `exit` lines, or the text on standard output. Later calls say nothing. */
  finish(outcome: { readonly summary: object; readonly text: string; readonly exitStatus: number }): void;
}

/** The version of the lines' shape. Fields are added without changing it; readers ignore what they do not know. */
const schema = 1;

export function createRunOutput(options: { readonly json: boolean; readonly command: string }): RunOutput {
  let finished = false;
  let clear: () => void = () => undefined;
  const output: RunOutput = {
    json: options.json,
    runId: null,
    line: (type, fields) => {
      if (!options.json || finished) return;
      const head = { schema, type, time: new Date().toISOString(), command: options.command, runId: output.runId };
      standardOutput.write(`${JSON.stringify({ ...head, ...fields })}\n`);
    },
    note: (text) => {
      clear();
      standardError.write(`${text}\n`);
    },
    beforeText: (action) => {
      clear = action;
    },
    finish: ({ summary, text, exitStatus }) => {
      if (finished) return;
      clear();
      output.line('summary', { ...summary });
      output.line('exit', { code: exitStatus });
      if (!options.json && text !== '') standardOutput.write(`${text}\n`);
      finished = true;
    },
  };
  return output;
}
