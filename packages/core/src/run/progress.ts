import type { ActiveStream, BackupEvent } from '../model/event.js';

/** Counts what streams deliver and tells it at most four times a second. */
export interface RunProgress {
  expect(artifacts: number): void;
  /** One artifact went in whole. */
  saved(): void;
  stream(path: string, host: string): { readonly add: (bytes: number) => void; end(): void };
  /** Stops telling; the last state is told once more. */
  stop(): void;
}

const intervalMilliseconds = 250;

export function createProgress(onEvent: (event: BackupEvent) => void, bytesWritten: () => number): RunProgress {
  const active = new Set<{ path: string; host: string; bytesRead: number }>();
  let bytesRead = 0;
  let artifactsSaved = 0;
  let artifactsExpected = 0;

  const tell = (): void => {
    const streams: ActiveStream[] = [...active].map((stream) => ({ ...stream }));
    onEvent({
      type: 'progress',
      bytesRead,
      bytesWritten: bytesWritten(),
      artifactsSaved,
      artifactsExpected,
      active: streams,
    });
  };
  const timer = setInterval(tell, intervalMilliseconds);
  timer.unref();

  return {
    expect: (artifacts) => {
      artifactsExpected = artifacts;
    },
    saved: () => {
      artifactsSaved += 1;
    },
    stream: (path, host) => {
      const stream = { path, host, bytesRead: 0 };
      active.add(stream);
      return {
        add: (bytes) => {
          stream.bytesRead += bytes;
          bytesRead += bytes;
        },
        end: () => active.delete(stream),
      };
    },
    stop: () => {
      clearInterval(timer);
      tell();
    },
  };
}
