import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Cluster } from '../cluster/cluster.js';
import type { Component, Discovery, ExpectedArtifact, Unit } from '../components/component.js';
import { bytesFormat } from '../formats/bytes.js';
import { asBackupError } from '../model/errors.js';
import { artifactPath } from '../model/names.js';
import { fakeInventoryHost } from './fake-host.js';

/** Hosts without become, all of them in the group `small`. */
export function smallCluster(names: readonly string[]): Cluster {
  return {
    name: 'test',
    inventoryFile: 'inventory',
    inventorySha256: '0'.repeat(64),
    hosts: names.map((name) => fakeInventoryHost(name, { become: false })),
    namingGroups: new Map([['small', []]]),
    warnings: [],
    groups: new Map([
      ['all', names],
      ['small', names],
    ]),
  };
}

/** One unit with one artifact on every host that can be had, for tests of what the engine does around a component. */
export function smallComponent(
  name: string,
  changes: {
    readonly after?: readonly string[];
    readonly discover?: Component['discover'];
    readonly backup?: Component['backup'];
    readonly byHand?: NonNullable<Component['byHand']>;
  } = {},
): Component {
  return {
    name,
    area: name,
    groups: ['small'],
    after: [],
    options: z.strictObject({}),
    async discover(context) {
      const units: Unit[] = [];
      const problems: Discovery['problems'][number][] = [];
      for (const host of context.hosts) {
        try {
          await context.remote(host);
          const path = artifactPath(name, host.name, 'content');
          units.push(smallUnit(host.name, [{ path, host: host.name, commands: [] }]));
        } catch (error) {
          problems.push({ unit: host.name, hosts: [host.name], error: asBackupError(error) });
        }
      }
      return { units, problems, absent: [] };
    },
    async backup(context, unit) {
      for (const { path, host } of unit.artifacts)
        await context.save({ path, host, format: bytesFormat, open: () => Promise.resolve(contentOf(path)) });
    },
    ...changes,
  };
}

/** A unit of one host, named like it. */
export function smallUnit(host: string, artifacts: readonly ExpectedArtifact[]): Unit {
  return {
    name: host,
    hosts: [host],
    product: { name: 'small', version: '1', detectedBy: 'nothing' },
    consistency: 'none',
    containsSecrets: false,
    artifacts,
    warnings: [],
    found: null,
  };
}

function contentOf(path: string): Readable {
  return Readable.from([Buffer.from(path)], { objectMode: false });
}
