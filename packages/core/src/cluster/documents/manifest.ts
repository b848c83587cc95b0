import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { BackupError } from '../../model/errors.js';
import { systemErrorCode, systemReason } from '../../model/system-errors.js';
import { parseDocuments, syntaxFault } from './parse-documents.js';
import { readText } from './read-text.js';

/** What LambdaStack and its predecessor call the document of the cluster itself. */
const clusterKinds = ['lambdastack-cluster', 'epiphany-cluster'];

/** What a build directory's `manifest.yml` says about the cluster. */
export interface Manifest {
  /** `specification.name` of the cluster's document. */
  readonly clusterName: string | undefined;
  /** Why it could not be read; a backup does not need it. */
  readonly warnings: readonly string[];
}

/**
 * Reads `manifest.yml` of a build directory, where there is one. Nothing but the cluster's name is taken from it: what it says about
 * paths and ports was so when LambdaStack last ran, and every component asks its host. Never fails.
 */
export async function readManifest(directory: string): Promise<Manifest> {
  const file = join(directory, 'manifest.yml');
  try {
    if (!(await stat(file)).isFile()) return { clusterName: undefined, warnings: [] };
    const text = await readText(file);
    const [cluster] = parseDocuments(file, text, clusterKinds).documents;
    const fault = cluster === undefined ? syntaxFault(file, text) : undefined;
    if (fault !== undefined) throw fault;
    return { clusterName: nameOf(cluster?.contents().specification), warnings: [] };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return { clusterName: undefined, warnings: [] };
    const reason = error instanceof BackupError ? error.message : `cannot read ${file}: ${systemReason(error)}`;
    return { clusterName: undefined, warnings: [`${reason}; the cluster's name is not taken from there`] };
  }
}

function nameOf(specification: unknown): string | undefined {
  if (typeof specification !== 'object' || specification === null || !('name' in specification)) return undefined;
  const { name } = specification;
  return (typeof name === 'string' && name !== '') || typeof name === 'number' ? String(name) : undefined;
}
