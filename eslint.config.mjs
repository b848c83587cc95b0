import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { flatConfigs, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const core = './packages/core/src';

/** Who may import whom (docs/architecture.md): a room and the rooms it must not know. Test files and what supports them may import anything. */
const rooms = [
  'model',
  'controller',
  'cluster',
  'formats',
  'stores',
  'remote',
  'archive',
  'host-services',
  'host-files',
  'host-steps',
  'components',
  'run',
  'restore',
  'doctor',
  'catalog',
  'testing',
];
const mayImport = {
  model: [],
  cluster: [],
  formats: [],
  stores: ['controller'],
  controller: [],
  remote: ['cluster'],
  archive: ['formats', 'stores'],
  'host-services': ['remote', 'cluster', 'components'],
  'host-files': ['remote', 'cluster', 'components', 'formats'],
  'host-steps': ['remote', 'cluster', 'components', 'host-services', 'host-files'],
  components: ['remote', 'cluster', 'formats', 'host-services', 'host-files', 'host-steps'],
  run: ['controller', 'cluster', 'remote', 'host-files', 'components', 'archive', 'stores', 'formats'],
  restore: [
    'controller',
    'cluster',
    'remote',
    'host-steps',
    'components',
    'archive',
    'run',
    'stores',
    'catalog',
    'formats',
  ],
  doctor: ['controller', 'cluster', 'remote', 'host-files', 'components', 'run', 'stores'],
  catalog: ['archive', 'stores', 'formats'],
  testing: ['cluster', 'remote', 'components', 'archive', 'stores', 'formats', 'run', 'catalog'],
};
const zones = Object.entries(mayImport).map(([room, allowed]) => ({
  target: `${core}/${room}/**/!(*.test|*.test-support).ts`,
  from: rooms
    .filter((other) => other !== room && other !== 'model' && !allowed.includes(other))
    .map((other) => `${core}/${other}`),
  message: `${room}/ may import model/${allowed.map((name) => `, ${name}/`).join('')} only`,
}));

/** Packages that belong to some rooms only. */
const homes = { ssh2: ['remote'] };
const packagesAtHome = rooms.map((room) => ({
  files: [`packages/core/src/${room}/**/*.ts`],
  ignores: ['**/*.test.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: Object.entries({ ...homes, pino: [], '@oclif/core': [] })
          .filter(([, home]) => !home.includes(room))
          .map(([name]) => ({ group: [name, `${name}/*`], message: `${name} does not belong in ${room}/` })),
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.cache/**', 'backups/**', 'test/fixtures/**', '**/.state/**'] },
  js.configs.recommended,
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'Buffer',
          'URL',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'setImmediate',
          'AbortController',
          'AbortSignal',
          'fetch',
          'performance',
          'require',
          'module',
          '__dirname',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.ts'],
    extends: [
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked,
      flatConfigs.recommended,
      flatConfigs.typescript,
    ],
    languageOptions: { parserOptions: { project: ['./tsconfig.json'], tsconfigRootDir: import.meta.dirname } },
    settings: {
      'import-x/resolver-next': [
        createTypeScriptImportResolver({
          project: './tsconfig.json',
          conditionNames: ['source', 'types', 'import', 'node', 'default'],
        }),
      ],
    },
    plugins: { 'import-x': importX },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-default-export': 'error',
      // ssh2 and fast-check are CommonJS: their default export is the whole of them.
      'import-x/no-named-as-default-member': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'max-params': ['error', 4],
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.property.name='pipe'][callee.type='MemberExpression']",
          message: 'Use pipeline from node:stream/promises: .pipe() loses errors.',
        },
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'The environment is read in one place of the command line only.',
        },
      ],
    },
  },
  { files: ['packages/cli/src/commands/**/*.ts'], rules: { 'import-x/no-default-export': 'off' } },
  {
    files: ['**/*.test.ts', 'test/**/*.ts', 'examples/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-restricted-syntax': 'off' },
  },
  ...packagesAtHome,
);
