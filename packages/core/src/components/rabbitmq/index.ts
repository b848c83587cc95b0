import type { Component } from '../component.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { componentName, discover, type RabbitmqFound } from './discover.js';
import { rabbitmqOptions, type RabbitmqOptions } from './options.js';
import { restore, selectors } from './restore.js';
import { stepKinds } from './step-kinds.js';

/** RabbitMQ: the definitions of each cluster and the configuration of each node; messages of single nodes where that is asked for. All but the configuration is restored. */
export const rabbitmq: Component<RabbitmqOptions, RabbitmqFound> = {
  name: componentName,
  area: 'rabbitmq',
  groups: ['rabbitmq'],
  after: [],
  tools: ['du', 'find', 'readlink', 'systemctl'],
  options: rabbitmqOptions,
  discover,
  backup,
  byHand,
  selectors,
  stepKinds,
  restore,
};
