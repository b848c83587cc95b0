import { z } from 'zod';
import { BackupError } from './errors.js';
import type { Json } from './json.js';
import { parseJson } from './parse-json.js';

/** The format name in the footer and in metadata. */
export const formatName = 'lsbackup-v1';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Three pieces of at most 200 bytes and a suffix have fewer; a tar header of a name like that can always be made. */
const maximumPathLength = 1000;
const path = z.string().min(1).max(maximumPathLength);
const timestamp = z.iso.datetime({ precision: 3 });
const size = z.int().nonnegative();
const json: z.ZodType<Json> = z.json();

/** One gzip member of the archive as it lies in the file. */
const memberSchema = z.object({
  /** Name of the tar entry in the member. */
  name: path,
  offset: size,
  length: size,
  /** Of the stored (compressed) bytes. */
  sha256,
});
export type Member = z.infer<typeof memberSchema>;

const warningSchema = z.object({ code: z.string(), message: z.string() });

/** `complete`, `partial`, `failed`, `absent` (with evidence, and nothing was expected), `skipped` (a flag or configuration said so). */
const unitStatusSchema = z.enum(['complete', 'partial', 'failed', 'absent', 'skipped']);
export type UnitStatus = z.infer<typeof unitStatusSchema>;
const runStatusSchema = z.enum(['complete', 'partial']);
export type RunStatus = z.infer<typeof runStatusSchema>;

const artifactRecordSchema = z.object({
  path,
  /** The unescaped name, where it differs. */
  original: z.string().optional(),
  component: z.string(),
  unit: z.string(),
  host: z.string(),
  format: z.string(),
  /** Of the content. */
  bytes: size,
  sha256,
  /** 0: the artifact is one entry, `member` says where. Otherwise the number of parts, and `member` is where their table lies. */
  parts: size,
  member: memberSchema,
  startedAt: timestamp,
  finishedAt: timestamp,
  warnings: z.array(warningSchema),
});
export type ArtifactRecord = z.infer<typeof artifactRecordSchema>;

const unitRecordSchema = z.object({
  name: z.string(),
  hosts: z.array(z.string()),
  status: unitStatusSchema,
  /** Why it is not complete; for `absent` the evidence, for `skipped` which setting. */
  reason: z.string().optional(),
  /** Stable code of the error behind `failed` or `partial`. */
  code: z.string().optional(),
  product: z.object({ name: z.string(), version: z.string(), detectedBy: z.string() }).optional(),
  /** What was true of the unit at backup time: roles, running or not. */
  roles: z.record(z.string(), json).optional(),
  consistency: z.string().optional(),
  /** What must match before a restore: cluster ids, system identifiers, node names. */
  identity: json.optional(),
  /** What a restore is compared with: counts and lists taken at the moment of the backup. */
  baseline: json.optional(),
  containsSecrets: z.boolean(),
  warnings: z.array(warningSchema),
  startedAt: timestamp.optional(),
  finishedAt: timestamp.optional(),
});
export type UnitRecord = z.infer<typeof unitRecordSchema>;

const hostRecordSchema = z.object({
  name: z.string(),
  address: z.string(),
  port: z.int(),
  reached: z.boolean(),
  hostname: z.string().optional(),
  machineId: z.string().optional(),
  os: z.string().optional(),
  /** `SHA256:...` as ssh-keygen prints it; not for the machine that ran the backup, when it was reached without SSH. */
  sshFingerprint: z.string().optional(),
  /** Why it was not reached. */
  reason: z.string().optional(),
});
export type HostRecord = z.infer<typeof hostRecordSchema>;

const failedRecordSchema = z.object({
  path,
  component: z.string(),
  unit: z.string(),
  host: z.string(),
  code: z.string(),
  reason: z.string(),
});
export type FailedRecord = z.infer<typeof failedRecordSchema>;

export const metadataSchema = z.object({
  format: z.literal(formatName),
  /** Features a reader must know; one it does not know makes it refuse. */
  requires: z.array(z.string()),
  tool: z.object({ name: z.string(), version: z.string() }),
  runId: z.string(),
  startedAt: timestamp,
  finishedAt: timestamp,
  status: runStatusSchema,
  cluster: z.object({ name: z.string(), inventorySha256: sha256 }),
  hosts: z.array(hostRecordSchema),
  components: z.array(
    z.object({
      name: z.string(),
      area: z.string(),
      status: unitStatusSchema,
      /** For a component that was skipped as a whole. */
      reason: z.string().optional(),
      units: z.array(unitRecordSchema),
    }),
  ),
  artifacts: z.array(artifactRecordSchema),
  /** Artifacts that were expected or begun and are not in the archive as data. */
  failed: z.array(failedRecordSchema),
  /** Members that are not artifacts or tables or parts: FAILED notes (each lists its abandoned parts), RESTORE.txt, SHA256SUMS. */
  members: z.array(memberSchema),
  /** Groups of the inventory with hosts that no component covered. */
  uncoveredGroups: z.array(z.string()),
});
export type Metadata = z.infer<typeof metadataSchema>;

/** Features this version can read. */
const knownFeatures: ReadonlySet<string> = new Set();

/**
 * Parses the content of `metadata.json`.
 * Errors: ARCHIVE_TOO_NEW when it requires a feature this version does not know, ARCHIVE_CORRUPT when it does not fit the schema.
 */
export function parseMetadata(text: string, archive: string): Metadata {
  let document: unknown;
  try {
    document = parseJson(text);
  } catch (cause) {
    throw new BackupError('ARCHIVE_CORRUPT', `${archive}: metadata.json is not JSON`, { cause });
  }
  const requires = z.object({ requires: z.array(z.string()) }).safeParse(document);
  const unknown = requires.success ? requires.data.requires.filter((feature) => !knownFeatures.has(feature)) : [];
  if (unknown.length > 0)
    throw new BackupError('ARCHIVE_TOO_NEW', `${archive} needs a newer lsbackup: it uses ${unknown.join(', ')}`);
  const parsed = metadataSchema.safeParse(document);
  if (!parsed.success)
    throw new BackupError(
      'ARCHIVE_CORRUPT',
      `${archive}: metadata.json does not fit the format: ${z.prettifyError(parsed.error)}`,
      {
        cause: parsed.error,
      },
    );
  return parsed.data;
}
