/** The public surface of @lsbackup/core. Nobody imports deeper. */
export { z } from 'zod';

export type {
  Authentication,
  Become,
  Cluster,
  Connection,
  Host,
  HostKeyPolicy,
  LocalUser,
  Login,
} from './cluster/cluster.js';
export { ForeignValue, VaultValue } from './cluster/inventory/inventory.js';
export type {
  Inventory,
  InventoryGroup,
  InventoryHost,
  InventoryValue,
  Place,
  Variable,
} from './cluster/inventory/inventory.js';
export { PythonFloat } from './cluster/python/python-number.js';
export type { SshConfigPaths } from './cluster/connection/ssh-config.js';
export { inventoryJson, inventoryList } from './cluster/inventory/inventory-list.js';
export { loadCluster, type LoadClusterOptions } from './cluster/load-cluster.js';
export { type BackupDocument, type ComponentEntry, readBackupDocument } from './cluster/documents/backup-document.js';
export { limitHosts, limitInventory, type LimitScope } from './cluster/patterns/limit.js';
export type { PatternScope } from './cluster/patterns/host-patterns.js';
export type { ConfigChoice } from './cluster/ansible-config/ansible-config.js';
export { type InventoryChoice, vaultPasswordsOf } from './cluster/inventory/inventory-source.js';
export type { ConfigValue } from './cluster/ansible-config/config-parser.js';
export type { ConfiguredConnections, ConfiguredSettings } from './cluster/ansible-config/config-settings.js';
export { type LoadedInventory, loadInventory, type LoadInventoryOptions } from './cluster/inventory/load-inventory.js';
export type { VaultSecret } from './cluster/inventory/vault.js';

export type {
  AnyComponent,
  BackupContext,
  Component,
  DiscoverContext,
  Discovery,
  ExpectedArtifact,
  Problem,
  Refusal,
  Unit,
} from './components/component.js';
export type {
  AnyStepKind,
  Finding,
  MovedHost,
  OldData,
  RestoreContext,
  Step,
  StepContext,
  StepKind,
  StepState,
  TarContents,
  UnitBackup,
} from './components/restore.js';
export { discoverEachHost, type HostAnswer } from './components/each-host.js';
export { builtInComponents } from './components/index.js';
export type {
  Command,
  HostFacts,
  Output,
  RemoteHost,
  RemoteProcess,
  StreamOptions,
  TarPolicy,
} from './remote/remote-host.js';

export { bytesFormat } from './formats/bytes.js';
export { jsonFormat } from './formats/json.js';
export { sqlFormat } from './formats/sql.js';
export { tarFormat, type TarListener, type TarSummary } from './formats/tar.js';

export type { Artifact, ArtifactOpen, SavedArtifact, Warning } from './model/artifact.js';
export { type ByHand, type ByHandRequest, shellWord } from './model/by-hand.js';
export type { ActiveStream, BackupEvent, CommonEvent } from './model/event.js';
export type { Catalogue, Format, FormatCheck } from './model/format.js';
export type { Json } from './model/json.js';
export { type Logger, type LogMethod, silentLogger } from './model/logger.js';
export {
  type ArtifactRecord,
  type FailedRecord,
  type HostRecord,
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

export type {
  KeptData,
  MappedHost,
  RestoredUnit,
  RestoreEvent,
  RestoreOptions,
  RestorePlan,
  RestoreResult,
  RestoreServices,
  SetOutcome,
  SetStatus,
} from './restore/api.js';
export { type ContinueOptions, dropRestored, readRestore, resumeRestore, rollbackRestore } from './restore/continue.js';
export type { JournaledPlan } from './restore/journal.js';
export { prepareRestore, type PreparedRestore } from './restore/restore.js';

export type {
  Check,
  CheckName,
  CheckStatus,
  ControllerCheck,
  Diagnosis,
  HostCheck,
  Subject,
  TargetCheck,
} from './doctor/diagnosis.js';
export { doctor, type DoctorOptions, type DoctorTarget } from './doctor/doctor.js';

export type { Archive, ByteRange, ReadCatalogueOptions, ReadOptions, TextDigest } from './archive/archive.js';
export { openArchive, type OpenOptions } from './archive/reader.js';
export {
  extractArtifacts,
  type ExtractedArtifact,
  type ExtractOptions,
  type ExtractResult,
} from './catalog/extract.js';
export {
  type ArchiveSummary,
  type ChosenArchive,
  listArchives,
  type ListOptions,
  type NewestComplete,
  newestComplete,
  openNamedOrNewest,
  type ReadableSummary,
  type UnreadableSummary,
} from './catalog/list.js';
export { selectArtifacts } from './catalog/select.js';
export { readTarFile, type TarFileOptions } from './catalog/tar-file.js';
export { type ArchiveDescription, describeArchive } from './catalog/show.js';
export { verifyArchive, type VerifyOptions, type VerifyProblem, type VerifyResult } from './catalog/verify.js';

export * from './store.js';
