import { expect } from '@jest/globals';
import { z } from 'zod';
import type { Ended } from './harness.js';

/* The shapes docs/json.md promises, written down a second time on purpose. */

const head = {
  schema: z.literal(1),
  time: z.iso.datetime(),
  command: z.string(),
  runId: z.string().nullable(),
};

const error = z.strictObject({
  code: z.string().regex(/^[A-Z_]+$/),
  message: z.string().min(1),
  host: z.string().nullable(),
  component: z.string().nullable(),
  hint: z.string().nullable(),
  retryable: z.boolean(),
});

const notBackedUp = z.strictObject({
  units: z.array(
    z.strictObject({
      component: z.string(),
      unit: z.string(),
      status: z.enum(['partial', 'failed', 'absent', 'skipped']),
      reason: z.string().nullable(),
      code: z.string().nullable(),
    }),
  ),
  artifacts: z.array(z.strictObject({ path: z.string(), code: z.string(), reason: z.string() })),
  hosts: z.array(z.strictObject({ host: z.string(), reason: z.string() })),
  uncoveredGroups: z.array(z.string()),
});

const published = z.strictObject({
  ...head,
  type: z.literal('summary'),
  status: z.enum(['complete', 'partial']),
  archive: z.string(),
  target: z.string(),
  bytes: z.int().positive(),
  contentBytes: z.int(),
  artifacts: z.int(),
  units: z.strictObject({ complete: z.int(), partial: z.int(), failed: z.int(), absent: z.int(), skipped: z.int() }),
  seconds: z.number(),
  notBackedUp,
});

const notPublished = z.strictObject({
  ...head,
  type: z.literal('summary'),
  status: z.enum(['failed', 'aborted']),
  archive: z.null().optional(),
  notBackedUp: notBackedUp.optional(),
  error,
});

const verified = z.strictObject({
  ...head,
  type: z.literal('summary'),
  status: z.enum(['intact', 'corrupt', 'failed']),
  archives: z.array(
    z.strictObject({
      archive: z.string(),
      intact: z.boolean(),
      status: z.enum(['complete', 'partial']).nullable(),
      bytes: z.int().nullable(),
      artifacts: z.int().nullable(),
      problems: z.array(z.strictObject({ entry: z.string(), offset: z.int().nullable(), what: z.string() })),
      unchecked: z.array(z.string()),
      error: error.nullable(),
    }),
  ),
});

const count = z.int().nonnegative();

const extracted = z.strictObject({
  ...head,
  type: z.literal('summary'),
  status: z.literal('extracted'),
  archive: z.string(),
  into: z.string(),
  artifacts: z.array(z.strictObject({ path: z.string(), to: z.string(), bytes: count, files: count })),
});

const set = { set: z.string(), component: z.string(), error: error.nullable() };
const setStatus = z.enum(['done', 'undone', 'not begun', 'undo failed']);

const restored = z.strictObject({
  ...head,
  type: z.literal('summary'),
  status: z.enum(['complete', 'partial', 'failed', 'rolled back']),
  archive: z.string(),
  sets: z.array(z.strictObject({ ...set, status: setStatus })),
  notRestored: z
    .array(
      z.strictObject({
        component: z.string(),
        unit: z.string(),
        reason: z.string(),
        isMissed: z.boolean().optional(),
      }),
    )
    .optional(),
  kept: z.array(z.strictObject({ host: z.string(), step: z.string(), what: z.string() })),
});

export const lineSchema = z.union([
  z.strictObject({ ...head, type: z.literal('plan'), units: count, artifacts: count, expectedBytes: count }),
  z.strictObject({
    ...head,
    type: z.literal('host'),
    host: z.string(),
    status: z.enum(['connected', 'failed']),
    error: error.nullable(),
  }),
  z.strictObject({
    ...head,
    type: z.literal('component'),
    component: z.string(),
    unit: z.string(),
    status: z.enum(['started', 'complete', 'partial', 'failed', 'absent', 'skipped']),
    reason: z.string().nullable(),
    error: error.nullable(),
  }),
  z.strictObject({ ...head, ...set, type: z.literal('component'), status: setStatus }),
  z.strictObject({
    ...head,
    type: z.literal('step'),
    set: z.string(),
    step: z.string(),
    title: z.string(),
    status: z.enum(['started', 'done', 'undoing', 'undone', 'failed']),
    error: error.nullable(),
  }),
  z.strictObject({
    ...head,
    type: z.literal('progress'),
    bytesRead: count,
    bytesWritten: count,
    artifactsSaved: count,
    artifactsExpected: count,
    active: z.array(z.strictObject({ path: z.string(), host: z.string(), bytesRead: count })),
  }),
  z.strictObject({ ...head, type: z.literal('progress'), archive: z.string(), bytes: count, total: count }),
  z.strictObject({
    ...head,
    type: z.literal('warning'),
    code: z.string(),
    message: z.string(),
    host: z.string().nullable(),
    component: z.string().nullable(),
  }),
  z.strictObject({ ...head, type: z.literal('error'), ...error.shape }),
  published,
  notPublished,
  verified,
  extracted,
  restored,
  z.strictObject({ ...head, type: z.literal('exit'), code: count }),
]);
export type Line = z.infer<typeof lineSchema>;

/** The lines of a run, each checked; also that there is exactly one summary and one exit, both last, and that exit tells the truth. */
export function linesOf(ended: Ended): readonly Line[] {
  const lines = ended.stdout
    .trimEnd()
    .split('\n')
    .map((text) => {
      const line: unknown = JSON.parse(text);
      const parsed = lineSchema.safeParse(line);
      if (!parsed.success) throw new Error(`${text}\n${z.prettifyError(parsed.error)}`);
      return parsed.data;
    });
  expect(lines.map(({ type }) => type).filter((type) => ['summary', 'exit'].includes(type))).toEqual([
    'summary',
    'exit',
  ]);
  expect(lines.slice(-2).map(({ type }) => type)).toEqual(['summary', 'exit']);
  expect(lines.at(-1)).toMatchObject({ type: 'exit', code: ended.status });
  return lines;
}

/** The summary line. */
export function summaryOf(ended: Ended): Line {
  return linesOf(ended).at(-2)!;
}

/** What a query prints when it fails. */
export const errorDocument = z.strictObject({ error });
