import type { Component } from '../component.js';
import { componentName, type PostgresqlFound } from './artifacts.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { discover } from './discover.js';
import { pgCustomFormat } from './pg-custom.js';
import { postgresqlOptions, type PostgresqlOptions } from './options.js';

/** PostgreSQL: roles, every database as pg_dump saves it, and the configuration of every member. */
export const postgresql: Component<PostgresqlOptions, PostgresqlFound> = {
  name: componentName,
  area: 'postgresql',
  groups: ['postgresql'],
  after: [],
  tools: ['du', 'find', 'head', 'readlink', 'sed', 'tail', 'tr'],
  options: postgresqlOptions,
  formats: [pgCustomFormat()],
  discover,
  backup,
  byHand,
};
