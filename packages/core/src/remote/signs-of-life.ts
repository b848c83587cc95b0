import type { Login } from '../cluster/cluster.js';
import { secondsOr } from './login/login-clock.js';

/** Seconds between questions, and without any answer to them after which a connection counts as dead. */
const defaultInterval = 15;
const deadAfter = 60;

/**
 * How often a server is asked whether it is there, in seconds, and how many questions in a row may stay without an answer. As ssh's
 * ServerAliveInterval and ServerAliveCountMax say, where they are set (ssh_config(5)), but for two things: an interval of 0, which turns
 * the questions off, counts as not set, because a backup must notice a dead host; and a count of 0 as 1, because our own SSH would end
 * connections that are alive.
 */
export function signsOfLife({ keepAliveSeconds, keepAliveCount }: Pick<Login, 'keepAliveSeconds' | 'keepAliveCount'>): {
  readonly interval: number;
  readonly count: number;
} {
  const interval = secondsOr(keepAliveSeconds, defaultInterval);
  return { interval, count: Math.max(1, keepAliveCount ?? Math.round(deadAfter / interval)) };
}
