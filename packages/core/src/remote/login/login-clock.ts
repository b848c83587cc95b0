import type { BackupError } from '../../model/errors.js';

/** How long each part of a login may take; it stands while a person or an agent is asked. */
export class LoginClock {
  readonly #late = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #again: (() => void) | undefined;
  /** Aborted when the time is over, with the error for it, or when the run is aborted. */
  readonly signal: AbortSignal;

  constructor(run: AbortSignal | undefined) {
    this.signal = run === undefined ? this.#late.signal : AbortSignal.any([run, this.#late.signal]);
  }

  /** The next part begins; the one before is over. */
  start(seconds: number, late: () => BackupError): void {
    this.stop();
    this.#again = () => (this.#timer = setTimeout(() => this.#late.abort(late()), seconds * 1000));
    this.#again();
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  /** With the part's whole time again. */
  resume(): void {
    this.pause();
    this.#again?.();
  }

  stop(): void {
    this.pause();
    this.#again = undefined;
  }
}

/** 0 is "not set" in the options of ssh that are seconds (ssh_config(5), ConnectTimeout, ServerAliveInterval). */
export function secondsOr(seconds: number | undefined, otherwise: number): number {
  return seconds === undefined || seconds <= 0 ? otherwise : seconds;
}
