import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import type { BackupDocument, ComponentEntry } from '../cluster/documents/backup-document.js';
import type { Cluster } from '../cluster/cluster.js';
import { plainConnection } from '../cluster/connection/plain-connection.js';
import type { AnyComponent } from '../components/component.js';
import { builtInComponents } from '../components/index.js';
import { documentSettings } from './document-settings.js';
import { select } from './selection.js';

const groups = { haproxy: ['lb1'], prometheus: ['mon1'], rabbitmq: ['mq1'], logging: ['log1'] };
const cluster: Cluster = {
  name: 'test',
  inventoryFile: '/build/inventory',
  inventorySha256: '0'.repeat(64),
  hosts: Object.values(groups)
    .flat()
    .map((name) => ({ name, groups: [], variables: {}, connection: plainConnection(name) })),
  groups: new Map(Object.entries(groups)),
  namingGroups: new Map(),
  warnings: [],
};

type Entries = Record<string, Partial<Omit<ComponentEntry, 'options'>> & { options?: Record<string, unknown> }>;

function documentOf(entries: Entries, warnings: readonly string[] = []): BackupDocument {
  const components = Object.entries(entries).map(([name, { enabled, options = {} }], index) => {
    const given = Object.entries(options).map(([key, value]) => [key, { value, line: index + 20 }] as const);
    return [name, { line: index + 1, enabled, options: new Map(given) }] as const;
  });
  return { file: 'backup.yml', components: new Map(components), warnings };
}

const everything: Entries = {
  load_balancer: { enabled: true },
  logging: { enabled: false },
  monitoring: { enabled: true },
  postgresql: { enabled: false },
  rabbitmq: { enabled: true },
  kubernetes: { enabled: false },
};

async function saved(entries: Entries, only?: readonly string[]): Promise<readonly string[]> {
  const options = {
    cluster,
    user: { name: 'me', homeDirectory: '/' },
    document: documentOf(entries),
    ...(only && { only }),
  };
  const { disabled } = documentSettings(options, builtInComponents);
  const selected = await select(cluster, builtInComponents, { ...options, disabled });
  return selected.filter(({ hosts }) => hosts.length > 0).map(({ component }) => component.name);
}

function settingsOf(entries: Entries, components: readonly AnyComponent[] = builtInComponents) {
  const options = { cluster, user: { name: 'me', homeDirectory: '/' }, document: documentOf(entries, ['of the file']) };
  return documentSettings(options, components);
}

describe('the switches of a backup document', () => {
  it.each<[string, Entries, readonly string[]]>([
    ['all that is there', {}, ['haproxy', 'rabbitmq', 'prometheus', 'alertmanager']],
    ['a group', { load_balancer: { enabled: false } }, ['rabbitmq', 'prometheus', 'alertmanager']],
    ['an area', { monitoring: { enabled: false } }, ['haproxy', 'rabbitmq']],
    ['a component', { prometheus: { enabled: false } }, ['haproxy', 'rabbitmq', 'alertmanager']],
    ['a component of an area', { prometheus: { enabled: true }, monitoring: { enabled: false } }, ['haproxy', 'rabbitmq', 'prometheus']],
    ['what is enabled', everything, ['haproxy', 'rabbitmq', 'prometheus', 'alertmanager']],
    ['what is not there', { kafka: { enabled: false } }, ['haproxy', 'rabbitmq', 'prometheus', 'alertmanager']],
  ])('%s', async (_title, entries, expected) => {
    expect(await saved(entries)).toEqual(expected);
  }); // prettier-ignore

  it('are weaker than only, and say why a host is left out', async () => {
    expect(await saved({ monitoring: { enabled: false } }, ['prometheus'])).toEqual(['prometheus']);
    const { disabled } = settingsOf({ load_balancer: { enabled: false } });
    const [haproxy] = await select(cluster, builtInComponents, { disabled });
    expect(haproxy?.skipped).toEqual([{ host: 'lb1', reason: 'switched off in backup.yml (load_balancer)' }]);
  });
});

describe('what a backup document makes people know', () => {
  const messages = (entries: Entries): readonly string[] => settingsOf(entries).warnings.map(({ message }) => message);

  it('nothing but its own, when all is said', () => {
    expect(messages(everything)).toEqual(['of the file']);
  });

  it.each<[string, Entries, string]>([
    ['cannot be saved yet', { logging: { enabled: true } }, 'backup.yml:2: "logging" is enabled, and lsbackup cannot save it yet'],
    ['has no hosts', { postgresql: { enabled: true } }, 'backup.yml:4: "postgresql" is enabled, and no host of /build/inventory is in postgresql'],
    ['means nothing', { postgres: { enabled: false } }, 'backup.yml:7: "postgres" is no component that is known here; names that come near: postgresql'],
    ['is an option of none', { rabbitmq: { enabled: true, options: { mesages: 'S3cret' } } }, 'backup.yml has options that are not used: rabbitmq.mesages (line 24)'],
    ['is an option of several', { monitoring: { enabled: true, options: { password: 'S3cret' } } }, 'backup.yml has options that are not used: monitoring.password (line 22)'],
    ['is not said', { load_balancer: {}, rabbitmq: {} }, 'backup.yml does not say whether to save load_balancer, rabbitmq: lsbackup does, LambdaStack would not'],
  ])('what %s', (_title, entries, message) => {
    expect(messages({ ...everything, ...entries }).filter((text) => text !== 'of the file')).toEqual([message]);
  }); // prettier-ignore
});

describe('the options of a backup document', () => {
  it('are those of the one component that has them', () => {
    const { layers } = settingsOf({
      load_balancer: { options: { paths: ['/srv'] } },
      monitoring: { options: { snapshot_timeout: 5, url: 'x' } },
    });
    expect(layers).toEqual([
      { source: 'backup.yml', components: { haproxy: { paths: ['/srv'] }, prometheus: { snapshot_timeout: 5 } } },
    ]);
  });

  it('of a component whose options are no table of names are not used', () => {
    const [haproxy] = builtInComponents;
    const odd = { ...haproxy!, options: z.record(z.string(), z.string()) } as unknown as AnyComponent;
    expect(settingsOf({ haproxy: { options: { paths: 'x' } } }, [odd]).layers).toEqual([
      { source: 'backup.yml', components: {} },
    ]);
  });
});
