/** What a target store needs: the contract, its errors, and the stores that need nothing installed. Loads no SSH. */
export {
  abortError,
  asBackupError,
  BackupError,
  exitStatuses,
  type ErrorCode,
  type ErrorDetails,
  type ExitStatus,
} from './model/errors.js';
export { bytesText } from './model/bytes-text.js';
export { nameList } from './model/name-list.js';
export { systemReason } from './model/system-errors.js';
export { yamlProblem } from './model/yaml-syntax.js';
export type { Entry, Leftover, Store, StoreDriver, Upload } from './stores/store.js';
export { localDriver, openLocalStore } from './stores/local.js';
export { createMemoryStore, memoryDriver } from './stores/memory.js';
export { isObjectName, numberedName, requireObjectName } from './stores/naming.js';
export { openStore } from './stores/target.js';
