export interface ClockOptions {
  /** Seconds from now until `onLate`; undefined: none. */
  readonly deadline: number | undefined;
  /** Seconds without progress until `onSilent`; undefined: it may be silent for ever. */
  readonly quiet: number | undefined;
  /** Whether bytes are wanted and there is room for them: silence counts only then. */
  readonly isWaiting: () => boolean;
  readonly onLate: () => void;
  readonly onSilent: () => void;
}

/** How long a command may take, and how long it may say nothing. Running from the start; each calls at most once, and never at once. */
export class Clocks {
  readonly #options: ClockOptions;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #silenceTimer: NodeJS.Timeout | undefined;
  #lastProgress = performance.now();

  constructor(options: ClockOptions) {
    this.#options = options;
    if (options.deadline !== undefined)
      this.#deadlineTimer = setTimeout(options.onLate, Math.max(0, options.deadline) * 1000);
    if (options.quiet !== undefined)
      this.#silenceTimer = setTimeout(() => this.#watch(options.quiet ?? 0), options.quiet * 1000);
  }

  progress(): void {
    this.#lastProgress = performance.now();
  }

  stopDeadline(): void {
    clearTimeout(this.#deadlineTimer);
  }

  stop(): void {
    this.stopDeadline();
    clearTimeout(this.#silenceTimer);
  }

  #watch(quiet: number): void {
    const { isWaiting, onSilent } = this.#options;
    const silent = isWaiting() ? (performance.now() - this.#lastProgress) / 1000 : 0;
    if (silent >= quiet) onSilent();
    else this.#silenceTimer = setTimeout(() => this.#watch(quiet), Math.max(10, (quiet - silent) * 1000));
  }
}
