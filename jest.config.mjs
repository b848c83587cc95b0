/** One project per suite; test/run.mjs chooses. Tests see sources through the `source` export condition. */
const shared = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json'],
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/.cache/'],
};

const suite = (name, testMatch) => ({ ...shared, displayName: name, rootDir: import.meta.dirname, testMatch });

export default {
  // Of a test that hangs; not a measure of anything, so a busy machine must not reach it.
  testTimeout: 60_000,
  workerIdleMemoryLimit: '1GB',
  projects: [
    suite('unit', ['<rootDir>/packages/*/src/**/*.test.ts']),
    suite('openssh', ['<rootDir>/test/openssh/**/*.test.ts']),
    suite('inventory', ['<rootDir>/test/inventory/**/*.test.ts']),
    suite('cli', ['<rootDir>/test/cli/**/*.test.ts']),
    suite('cluster', ['<rootDir>/test/cluster/**/*.test.ts']),
    suite('faults', ['<rootDir>/test/faults/**/*.test.ts']),
  ],
};
