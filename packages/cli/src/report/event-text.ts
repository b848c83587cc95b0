import type { BackupEvent } from '@lsbackup/core';
import { errorText } from '../base/failure.js';

/** A view for people: it gets every event. */
export interface View {
  event(event: BackupEvent): void;
  /** Takes what is not permanent off the screen. */
  clear(): void;
}

/** The permanent line an event deserves, if any; progress has none. */
export function eventText(event: BackupEvent): string | undefined {
  switch (event.type) {
    case 'host':
      return event.status === 'connected' ? undefined : `host ${event.host}: ${event.error?.reason ?? 'not reached'}`;
    case 'component':
      if (event.status === 'started') return undefined;
      return `${event.component}/${event.unit} ${event.status}${event.reason === undefined ? '' : `: ${event.reason}`}`;
    case 'warning':
      return `Warning: ${aboutText(event)}${event.message}`;
    case 'error':
      return errorText(event.error);
    case 'started':
    case 'plan':
    case 'progress':
    case 'published':
      return undefined;
  }
}

/** What a warning is about, where its message does not begin with the host itself. */
function aboutText({ component, host, message }: BackupEvent & { readonly type: 'warning' }): string {
  const named = host !== undefined && message.startsWith(`${host}: `) ? [component] : [component, host];
  const about = named.filter(Boolean).join(' on ');
  return about === '' ? '' : `${about}: `;
}
