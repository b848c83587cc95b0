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

/** PostgreSQL: roles, every database as pg_dump saves it, where it is wanted the server as a whole, and the configuration of every member. */
export const postgresql: Component<PostgresqlOptions, PostgresqlFound> = {
  name: componentName,
  area: 'postgresql',
  groups: ['postgresql'],
  after: [],
  tools: [
    'cat',
    'chown',
    'cp',
    'df',
    'du',
    'find',
    'head',
    'id',
    'ls',
    'mkdir',
    'mv',
    'readlink',
    'rm',
    'rmdir',
    'sed',
    'stat',
    'sync',
    'tail',
    'tr',
    'uname',
    'wc',
  ],
  options: postgresqlOptions,
  formats: [pgCustomFormat()],
  discover,
  backup,
  byHand,
  selectors,
  stepKinds,
  restore,
};
