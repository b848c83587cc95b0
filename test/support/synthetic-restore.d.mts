import type { BackupResult, RestoreResult } from '@lsbackup/core';

export declare const setNames: readonly string[];
export declare function makeSynthetic(directory: string): Promise<BackupResult>;
export declare function stateOf(directory: string, set: string): Promise<string>;
export declare function runSynthetic(
  direction: 'restore' | 'resume' | 'rollback',
  directory: string,
  options?: { readonly killAt?: number },
): Promise<RestoreResult & { readonly points: number }>;
