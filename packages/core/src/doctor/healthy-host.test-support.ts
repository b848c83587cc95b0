import { listScript, whereScript } from '../run/ledger-scripts.js';
import { FakeHost, type FakeHostOptions, type FakeRule } from '../testing/fake-host.js';

const df =
  'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 104857600 52428800 52428800 50% /var\n';

/** Answers to all that doctor asks of a host; what comes first wins. */
const rules: readonly FakeRule[] = [
  { argv: ['date', '+%s.%N'], answer: () => ({ stdout: `${(Date.now() / 1000).toFixed(3)}000000\n` }) },
  { argv: ['sh', '-c', listScript, 'lsbackup', ''], answer: {} },
  { argv: ['sh', '-c', whereScript, 'lsbackup', ''], answer: { stdout: '/var/lib/lsbackup\n' } },
  { argv: /^sh -c path=\$1; until test -e/, answer: { stdout: df } },
  { argv: /^sh -c help=\$\(tar --help/, answer: {} },
  { argv: /^sh -c for tool do command -v/, answer: {} },
  { argv: ['cat'], answer: {}, talk: () => () => '' },
];

export function healthyHost(options: FakeHostOptions = {}): FakeHost {
  return new FakeHost({
    ...options,
    rules: [...(options.rules ?? []), ...rules],
    http: { '127.0.0.1:22': () => undefined, ...options.http },
  });
}
