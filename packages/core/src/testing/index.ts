/** Contract suites and fakes, for whoever writes a store or a component. They use node:assert only, so any test runner will do. */
export { fakeBackupContext, type FakeContextOptions, fakeDiscoverContext, type FakeRun } from './fake-contexts.js';
export {
  type FakeAnswer,
  type FakeConversation,
  FakeHost,
  type FakeHostOptions,
  type FakeRule,
  fakeInventoryHost,
} from './fake-host.js';
export { describeStore, type Runner, type StoreUnderTest } from './store-contract.js';
export { type Journal, type Misbehaviour, worstComponent } from './worst-component.js';
