import type { Component } from '../component.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { componentName, discover, type AlertmanagerFound } from './discover.js';
import { alertmanagerOptions, type AlertmanagerOptions } from './options.js';

/** Alertmanager: its configuration, its state files, and the silences of the moment. It has no group of its own and lives beside Prometheus. */
export const alertmanager: Component<AlertmanagerOptions, AlertmanagerFound> = {
  name: componentName,
  area: 'monitoring',
  groups: ['prometheus', 'monitoring'],
  after: [],
  tools: ['du', 'find', 'readlink', 'systemctl'],
  options: alertmanagerOptions,
  discover,
  backup,
  byHand,
};
