import type { Component } from '../component.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { componentName, discover, type HaproxyFound } from './discover.js';
import { haproxyOptions, type HaproxyOptions } from './options.js';
import { replaceConfiguration } from './replace-configuration.js';
import { restore } from './restore.js';

/** HAProxy: its configuration, certificates and everything the configuration names, from every host. */
export const haproxy: Component<HaproxyOptions, HaproxyFound> = {
  name: componentName,
  area: 'haproxy',
  groups: ['haproxy', 'load_balancer'],
  after: [],
  tools: ['du', 'find', 'readlink', 'systemctl'],
  options: haproxyOptions,
  discover,
  backup,
  stepKinds: [replaceConfiguration],
  restore,
  byHand,
};
