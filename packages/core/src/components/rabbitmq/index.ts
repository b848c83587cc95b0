import type { Component } from '../component.js';
import { backup } from './backup.js';
import { byHand } from './by-hand.js';
import { componentName, discover, type RabbitmqFound } from './discover.js';
import { rabbitmqOptions, type RabbitmqOptions } from './options.js';

/** RabbitMQ: the definitions of each cluster and the configuration of each node. Messages are not saved. */
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
};
