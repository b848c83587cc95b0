import type { Component } from '../component.js';
import { componentName, type PostgresqlFound } from './artifacts.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { discover } from './discover.js';
import { pgCustomFormat } from './pg-custom.js';
import { postgresqlOptions, type PostgresqlOptions } from './options.js';
import { restore } from './restore.js';
import { selectors } from './restore-selection.js';
import { stepKinds } from './step-kinds.js';

/** PostgreSQL: roles, every database as pg_dump saves it, and the configuration of every member. */
export const postgresql: Component<PostgresqlOptions, PostgresqlFound> = {
  name: componentName,
  area: 'postgresql',
  groups: ['postgresql'],
  after: [],
  tools: ['cat', 'df', 'du', 'find', 'head', 'mkdir', 'mv', 'readlink', 'rm', 'rmdir', 'sed', 'tail', 'tr', 'wc'],
  options: postgresqlOptions,
  formats: [pgCustomFormat()],
  discover,
  backup,
  byHand,
  selectors,
  stepKinds,
  restore,
};
