import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Component, Unit } from '../components/component.js';
import { bytesFormat as bytes } from '../formats/bytes.js';
import type { Artifact, ArtifactOpen } from '../model/artifact.js';
import { BackupError } from '../model/errors.js';
import { artifactPath } from '../model/names.js';

/** What each kind of unit of the worst component does to the engine. */
export type Misbehaviour =
  | 'well'
  | 'endless'
  | 'endless-sibling'
  | 'abandons-endless'
  | 'not-awaited'
  | 'caught'
  | 'forgets-one'
  | 'deaf'
  | 'throws-late'
  | 'stuck-clean-up';

/** What happened, in order, so that a test can tell whether clean-ups waited for the streams. */
export type Journal = string[];

/**
 * The worst component we could think of, with one unit per kind of misbehaviour: two ordered phases, a held lock, a thousand tiny
 * streams and an endless one, a failing sibling, saves nobody awaits, failures that are caught, code that ignores its signal, a clean-up
 * that never ends.
 */
export function worstComponent(options: {
  readonly units: readonly Misbehaviour[];
  readonly hosts: readonly string[];
  readonly journal: Journal;
  /** Tiny streams of a unit that behaves well. */
  readonly tiny?: number;
}): Component {
  const { hosts, journal, tiny = 1000 } = options;
  return {
    name: 'worst',
    area: 'worst',
    groups: ['worst'],
    after: [],
    options: z.strictObject({}),
    discover: () =>
      Promise.resolve({ units: options.units.map((kind) => unitOf(kind, hosts, tiny)), problems: [], absent: [] }),
    async backup(context, unit) {
      const [first = ''] = hosts;
      context.defer(() => note(journal, `${unit.name}: first clean-up`));
      context.defer(() => note(journal, `${unit.name}: second clean-up`));
      const save = (name: string, open: Artifact['open'], more: Partial<Artifact> = {}): Artifact => ({
        path: artifactPath('worst', first, `${unit.name}-${name}`),
        host: first,
        format: bytes,
        open,
        ...more,
      });
      switch (unit.name as Misbehaviour) {
        case 'well':
          await Promise.all(
            unit.artifacts
              .slice(2)
              .map(({ path, host }) => context.save({ path, host, format: bytes, open: () => tinyStream(path) })),
          );
          await context.saveTogether([
            save('lock', (open) => heldStream(journal, open), { hold: 30 }),
            save('beside', () => tinyStream('beside')),
          ]);
          context.baseline({ tiny });
          return;
        case 'endless':
          await context.save(save('endless', (open) => endlessStream(journal, open)));
          return;
        case 'endless-sibling':
          await context.saveTogether([
            save('endless', (open) => endlessStream(journal, open)),
            save('failing', () => failingStream()),
          ]);
          return;
        case 'abandons-endless': {
          const flows = new Promise<void>((resolve) => {
            void context.save(save('endless', (open) => endlessStream(journal, open, resolve)));
          });
          await flows;
          throw new BackupError('SERVICE_ANSWER', 'the server changed its mind');
        }
        case 'not-awaited':
          void context.save(save('failing', () => failingStream()));
          return;
        case 'caught':
          await context.save(save('saved', () => tinyStream('saved')));
          await context.save(save('failing', () => failingStream())).catch(() => undefined);
          return;
        case 'forgets-one':
          await context.save(save('saved', () => tinyStream('saved')));
          return;
        case 'deaf':
          void context.save(save('failing', () => failingStream()));
          await new Promise(() => undefined);
          return;
        case 'throws-late':
          await context.save(save('saved', () => tinyStream('saved')));
          throw new BackupError('SERVICE_ANSWER', 'the server changed its mind');
        case 'stuck-clean-up':
          context.defer(() => new Promise(() => undefined));
          await context.save(save('saved', () => tinyStream('saved')));
      }
    },
  };
}

const expected: Readonly<Record<Misbehaviour, readonly string[]>> = {
  well: ['lock', 'beside'],
  endless: ['endless'],
  'endless-sibling': ['endless', 'failing'],
  'abandons-endless': ['endless'],
  'not-awaited': ['failing'],
  caught: ['saved', 'failing'],
  'forgets-one': ['saved', 'forgotten'],
  deaf: ['failing'],
  'throws-late': ['saved'],
  'stuck-clean-up': ['saved'],
};

function unitOf(kind: Misbehaviour, hosts: readonly string[], tiny: number): Unit {
  const [first = ''] = hosts;
  const named = expected[kind].map((name) => ({
    path: artifactPath('worst', first, `${kind}-${name}`),
    host: first,
    commands: [],
  }));
  const many = Array.from({ length: kind === 'well' ? tiny : 0 }, (_, index) => {
    const host = hosts[index % hosts.length] ?? first;
    return { path: artifactPath('worst', host, `tiny-${index}`), host, commands: [] };
  });
  return {
    name: kind,
    hosts,
    product: { name: 'worst', version: '1', detectedBy: 'nothing' },
    consistency: 'none',
    containsSecrets: false,
    artifacts: [...named, ...many],
    warnings: [],
    found: null,
  };
}

async function note(journal: Journal, entry: string): Promise<void> {
  journal.push(entry);
  await sleep(0);
}

function tinyStream(content: string): Promise<Readable> {
  return Promise.resolve(Readable.from([Buffer.from(content)], { objectMode: false }));
}

/** Holds something on the host until its stream has been read. */
async function heldStream(journal: Journal, { signal }: ArtifactOpen): Promise<Readable> {
  journal.push('lock taken');
  const stream = new PassThrough({ signal });
  await sleep(5);
  stream.end(Buffer.alloc(100_000, 'x'), () => journal.push('lock released'));
  return stream;
}

function failingStream(): Promise<Readable> {
  return Promise.resolve(
    Readable.from(
      (async function* () {
        yield Buffer.alloc(70_000, 'f');
        await sleep(5);
        throw new BackupError('COMMAND_FAILED', 'the command ended with status 2');
      })(),
      { objectMode: false },
    ),
  );
}

/** Goes on until it is cancelled, and takes so long to end then that whoever does not wait for it is seen to be early. */
function endlessStream(journal: Journal, { signal }: ArtifactOpen, flows = (): void => undefined): Promise<Readable> {
  return Promise.resolve(
    Readable.from(
      (async function* () {
        try {
          while (!signal.aborted) {
            yield Buffer.alloc(10_000, 'e');
            await sleep(1);
            flows();
          }
          signal.throwIfAborted();
        } finally {
          await sleep(200);
          journal.push('endless stream ended');
        }
      })(),
      { objectMode: false },
    ),
  );
}
