import { BackupError } from '../model/errors.js';
import type { UnitRecord } from '../model/metadata.js';

/**
 * What an older version does not understand must not be given to it. Compares as many numbers as `parts` says (two: major and minor). Errors: RESTORE_VERSION;
 * SERVICE_MISSING where no version is found.
 */
export function requireVersion(
  { product }: Pick<UnitRecord, 'product'>,
  target: {
    readonly host: string;
    readonly component: string;
    readonly version: string | undefined;
    readonly parts?: number;
  },
): void {
  const { host, component, version, parts = 2 } = target;
  if (version === undefined)
    throw new BackupError('SERVICE_MISSING', `${host}: ${component} is not installed on this host`, {
      host,
      component,
      hint: 'Install it there first.',
    });
  const archived = numbers(product?.version ?? '').slice(0, parts);
  const there = numbers(version).slice(0, parts);
  const differs = archived.findIndex((number, index) => number !== (there[index] ?? 0));
  if (differs === -1 || (there[differs] ?? 0) > (archived[differs] ?? 0)) return;
  throw new BackupError(
    'RESTORE_VERSION',
    `${host}: ${product?.name ?? component} ${version} is older than ${product?.version ?? ''}, which was backed up`,
    { host, component, hint: `Install ${archived.join('.')} or later there first.` },
  );
}

/** `2.6.12-1+deb12u4` as 2, 6, 12. */
function numbers(version: string): readonly number[] {
  return (/^\d+(?:\.\d+)*/.exec(version)?.[0] ?? '').split('.').filter(Boolean).map(Number);
}
