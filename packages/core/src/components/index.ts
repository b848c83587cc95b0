import { alertmanager } from './alertmanager/index.js';
import type { AnyComponent } from './component.js';
import { haproxy } from './haproxy/index.js';
import { postgresql } from './postgresql/index.js';
import { prometheus } from './prometheus/index.js';
import { rabbitmq } from './rabbitmq/index.js';

/** Every component this package brings, in the order they are listed to people. */
export const builtInComponents: readonly AnyComponent[] = [haproxy, postgresql, rabbitmq, prometheus, alertmanager];
