import type { AnyStepKind } from '../components/restore.js';
import { keepFiles } from './keep-files.js';
import { stageFiles } from './stage-files.js';

/** Kinds of steps that components share. */
export const sharedStepKinds: readonly AnyStepKind[] = [stageFiles, keepFiles];
