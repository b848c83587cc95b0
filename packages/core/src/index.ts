/** The public surface of @lsbackup/core. Nobody imports deeper. */
export { z } from 'zod';

export type { Cluster, Connection, Host, LocalUser } from './cluster/cluster.js';
export { inventoryJson, inventoryList } from './cluster/inventory-list.js';
export { loadCluster, type LoadClusterOptions } from './cluster/load-cluster.js';
export { loadInventory } from './cluster/load-inventory.js';

export type {
  AnyComponent,
  BackupContext,
  Component,
  DiscoverContext,
  Discovery,
  ExpectedArtifact,
  Problem,
  Unit,
} from './components/component.js';
export { discoverEachHost, type HostAnswer } from './components/each-host.js';
export { builtInComponents } from './components/index.js';
export type { Command, RemoteHost, RemoteProcess } from './remote/remote-host.js';

export { bytesFormat } from './formats/bytes.js';
export { jsonFormat } from './formats/json.js';
export { sqlFormat } from './formats/sql.js';
export { tarFormat } from './formats/tar.js';

export type { Artifact, SavedArtifact, Warning } from './model/artifact.js';
export type { BackupEvent } from './model/event.js';
export type { Format, FormatCheck } from './model/format.js';
export type { Json } from './model/json.js';
export { type Logger, silentLogger } from './model/logger.js';
export {
  type ArtifactRecord,
  type Metadata,
  metadataSchema,
  type RunStatus,
  type UnitRecord,
  type UnitStatus,
} from './model/metadata.js';
export { artifactPath } from './model/names.js';
export { Secret } from './model/secret.js';

export type {
  BackupOptions,
  BackupResult,
  Limits,
  OptionLayer,
  Plan,
  PlannedUnit,
  PlanOptions,
  Selection,
} from './run/api.js';
export { backup } from './run/backup.js';
export { plan } from './run/plan.js';

export type { Archive } from './archive/archive.js';
export { openArchive } from './archive/reader.js';
export { extractArtifacts, type ExtractResult } from './catalog/extract.js';
export { type ArchiveSummary, listArchives, newestComplete, openNamedOrNewest } from './catalog/list.js';
export { selectArtifacts } from './catalog/select.js';
export { describeArchive } from './catalog/show.js';
export { verifyArchive, type VerifyResult } from './catalog/verify.js';

export * from './store.js';
