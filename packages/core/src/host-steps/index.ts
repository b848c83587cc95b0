import type { AnyStepKind } from '../components/restore.js';

/** Kinds of steps that components share. */
export const sharedStepKinds: readonly AnyStepKind[] = [];
