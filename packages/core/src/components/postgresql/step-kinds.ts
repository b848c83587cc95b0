import type { AnyStepKind } from '../restore.js';
import { createTablespace } from './create-tablespace.js';
import { holdOff } from './hold-off.js';
import { letIn } from './let-in.js';
import { loadDatabase } from './load-database.js';
import { checkServer } from './physical-check.js';
import { stageServer } from './physical-stage.js';
import { startNewServer, stopOldServer, swapDirectories } from './physical-steps.js';
import { restoreGlobals } from './restore-globals.js';
import { swapDatabases } from './swap-databases.js';
import { verifyDatabase } from './verify-database.js';

export const stepKinds: readonly AnyStepKind[] = [
  createTablespace,
  restoreGlobals,
  loadDatabase,
  verifyDatabase,
  holdOff,
  swapDatabases,
  letIn,
  stageServer,
  stopOldServer,
  swapDirectories,
  startNewServer,
  checkServer,
];
