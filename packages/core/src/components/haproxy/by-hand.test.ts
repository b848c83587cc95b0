import { expect, it } from '@jest/globals';
import type { ArtifactRecord, UnitRecord } from '../../model/metadata.js';
import { byHand } from './by-hand.js';

function commandsFor(unit: Partial<UnitRecord>): readonly string[] {
  const [section] = byHand({
    unit: { name: 'lb1', hosts: ['lb1'], status: 'complete', containsSecrets: true, warnings: [], ...unit },
    artifacts: [{ path: 'haproxy/lb1/config.tar', host: 'lb1' } as ArtifactRecord],
  });
  return section?.commands ?? [];
}

it.each([
  ['/usr/sbin/haproxy -v', 'if ! /usr/sbin/haproxy -c -f /etc/a.cfg; then'],
  [
    '/usr/bin/runc exec haproxy /usr/local/sbin/haproxy -v',
    'if ! /usr/bin/runc exec haproxy /usr/local/sbin/haproxy -c -f /etc/a.cfg; then',
  ],
  ['no haproxy program found', 'if ! haproxy -c -f /etc/a.cfg; then'],
  ['/tmp/x; rm -rf / -v', 'if ! haproxy -c -f /etc/a.cfg; then'],
])('checks with the program that told its version: %s', (detectedBy, line) => {
  const product = { name: 'HAProxy', version: '2.6', detectedBy };
  expect(commandsFor({ product, identity: { configurationFiles: ['/etc/a.cfg'] } })).toContain(line);
});

it('gives haproxy its configuration files in order, by any name, and tells the service that ran', () => {
  const identity = { configurationFiles: ['/etc/a b.cfg', "/etc/it's.d"] };
  const commands = commandsFor({ identity, roles: { service: 'haproxy@edge.service', state: 'active' } });
  expect(commands).toContain(`if ! haproxy -c -f '/etc/a b.cfg' -f '/etc/it'"'"'s.d'; then`);
  expect(commands).toContain('systemctl reload-or-restart haproxy@edge.service');
  expect(commandsFor({ roles: { service: 'none' } }).join('\n')).not.toContain('systemctl');
});
