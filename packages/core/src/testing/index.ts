/** Contract suites and fakes, for whoever writes a store or a component. They use node:assert only, so any test runner will do. */
export { fakeBackupContext, fakeDiscoverContext } from './fake-contexts.js';
export { type FakeAnswer, FakeHost, type FakeHostOptions, type FakeRule, fakeInventoryHost } from './fake-host.js';
export { describeStore } from './store-contract.js';
export { type Journal, type Misbehaviour, worstComponent } from './worst-component.js';
