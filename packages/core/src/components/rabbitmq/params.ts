import { z } from 'zod';

/** Of each kind of step; journals hold them. */
export const keepParams = z.strictObject({ host: z.string(), rabbitmqctl: z.string() });
export const importParams = keepParams.extend({
  /** RabbitMQ's own user on the host, and its home. */
  user: z.string(),
  home: z.string(),
  /** Of the archived definitions. */
  path: z.string(),
  /** Of the target. */
  version: z.string(),
  /** Null: everything. */
  vhosts: z.array(z.string()).nullable(),
  users: z.array(z.string()),
  /** Empty queues, and exchanges, that are there with other properties are removed and made anew. */
  replace: z.boolean(),
  /** Of the baseline, where the present definitions must be the same altogether. */
  sha256: z.string().nullable(),
});
export const removeParams = importParams.extend({
  /** Keys (objects.ts) of what is removed: what the plan has named, and nothing else. */
  extras: z.array(z.string()),
});
export type KeepParams = z.infer<typeof keepParams>;
export type ImportParams = z.infer<typeof importParams>;
export type RemoveParams = z.infer<typeof removeParams>;

/** Where the definitions from before are kept on the host, for people. */
export const keepUndo = z.strictObject({ file: z.string() });
export type KeepUndo = z.infer<typeof keepUndo>;
/** Keys of what was there to be removed. */
export const removeUndo = z.strictObject({ there: z.array(z.string()) });
export type RemoveUndo = z.infer<typeof removeUndo>;
/** No other step needs to know more of the state before than what is kept on the host. */
export const undo = z.strictObject({});
export type Undo = z.infer<typeof undo>;
