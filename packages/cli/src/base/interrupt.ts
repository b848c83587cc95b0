import { constants } from 'node:os';
import { BackupError } from '@lsbackup/core/store';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type SignalName = (typeof signals)[number];

export interface Interrupt {
  /** Aborts at the first signal, with an ABORTED BackupError that names it. */
  readonly signal: AbortSignal;
  /** 128 + N once a signal has come. */
  readonly exitStatus: number | undefined;
  /** Aborts for another reason than a signal. */
  abort(reason: BackupError): void;
  /** Gives the signals their usual meaning back. */
  stop(): void;
}

/** The first signal asks for an orderly end; `onSecond` is called at the next one and should end the process at once. */
export function listenForSignals(on: { first(name: string): void; second(exitStatus: number): void }): Interrupt {
  const controller = new AbortController();
  let exitStatus: number | undefined;
  const listener = (name: SignalName): void => {
    const status = 128 + constants.signals[name];
    if (exitStatus !== undefined) {
      on.second(status);
      return;
    }
    exitStatus = status;
    on.first(name);
    controller.abort(new BackupError('ABORTED', `stopped by ${name}`));
  };
  for (const name of signals) process.on(name, listener);
  return {
    signal: controller.signal,
    get exitStatus() {
      return exitStatus;
    },
    abort: (reason) => controller.abort(reason),
    stop: () => {
      for (const name of signals) process.off(name, listener);
    },
  };
}
