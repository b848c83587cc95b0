import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { expect, it } from '@jest/globals';
import type { BackupEvent } from '../model/event.js';
import { createMemoryStore } from '../stores/memory.js';
import { FakeHost } from '../testing/fake-host.js';
import { smallCluster, smallComponent } from '../testing/small-component.js';
import { backup } from './backup.js';

async function restoreTextOf(
  components: readonly ReturnType<typeof smallComponent>[],
): Promise<{ readonly text: string; readonly status: string; readonly events: readonly BackupEvent[] }> {
  const target = createMemoryStore();
  const events: BackupEvent[] = [];
  const { archive, status } = await backup({
    cluster: smallCluster(['b', 'a']),
    user: { name: 'admin', homeDirectory: '/home/admin' },
    target,
    components,
    connect: ({ name }) => Promise.resolve(new FakeHost({ name, become: false })),
    onEvent: (event) => events.push(event),
  });
  const content = gunzipSync(await buffer(await target.get(archive))).toString('utf8');
  return { text: content.slice(content.indexOf('4 PUT BACK'), content.indexOf('SHA256SUMS\0')), status, events };
}

it('RESTORE.txt has what each component says of its units, and how anything else is taken out', async () => {
  const first = smallComponent('first', {
    byHand: ({ unit, artifacts }) =>
      artifacts.map(({ path }) => ({
        host: unit.name,
        title: `${unit.product?.name ?? ''} put back`,
        artifacts: [path],
        notes: [],
        commands: [`artifact ${path} | tool`],
      })),
  });
  const { text } = await restoreTextOf([first, smallComponent('second')]);
  expect([...text.matchAll(/^4\.\d+ .*$/gm)].map(String)).toEqual([
    '4.1 b: small put back',
    '4.2 a: small put back',
    expect.stringMatching(/^4\.3 second\/[ab]\/content$/),
    expect.stringMatching(/^4\.4 second\/[ab]\/content$/),
  ]);
  expect(text).toMatch(/\n {4}check first\/b\/content [0-9a-f]{64}\n {4}artifact first\/b\/content \| tool\n/);
});

it('a component that cannot say how its units are put back costs a warning, not the backup', async () => {
  const broken = smallComponent('broken', {
    byHand: () => {
      throw new Error('no idea');
    },
  });
  const { text, status, events } = await restoreTextOf([broken]);
  expect(status).toBe('complete');
  expect(text).toMatch(/^4\.1 broken\/[ab]\/content$/m);
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'warning', code: 'NO_RESTORE_TEXT', message: expect.stringContaining('no idea') }),
  );
});
