import type { Component } from '../component.js';
import { componentName, type PrometheusFound } from './artifacts.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { discover, ownGroup } from './discover.js';
import { prometheusOptions, type PrometheusOptions } from './options.js';

/** Prometheus: its time series as of one moment, its configuration, and what it scrapes. */
export const prometheus: Component<PrometheusOptions, PrometheusFound> = {
  name: componentName,
  area: 'monitoring',
  groups: [ownGroup, 'monitoring'],
  after: [],
  tools: ['cp', 'du', 'find', 'readlink', 'systemctl', 'tr'],
  options: prometheusOptions,
  discover,
  backup,
  byHand,
};
