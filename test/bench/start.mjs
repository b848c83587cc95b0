// How long it takes until anything is said.
import { join } from 'node:path';
import { root } from '../setup/process.mjs';
import { launcher } from './lsbackup.mjs';
import { interleaved, measure, range, ratios } from './measure.mjs';

const rounds = 20;

export async function start() {
  // Where oclif is found by its name.
  const cwd = join(root, 'packages/cli');
  const node =
    (...nodeArguments) =>
    () =>
      measure(process.execPath, nodeArguments, { cwd }).then(({ seconds }) => seconds * 1000);
  const [version, nothing, help, oclif] = await interleaved(rounds, [
    node(launcher, '--version'),
    node('-e', '0'),
    node(launcher, '--help'),
    node('-e', "import('@oclif/core')"),
  ]);
  return [
    {
      name: '`lsbackup --version`, to `node -e 0`',
      values: ratios(version, nothing),
      atMost: 1.2,
      detail: `${middle(version)}; ${middle(nothing)}`,
    },
    {
      name: '`lsbackup --help`, to `node -e "import(\'@oclif/core\')"`',
      values: ratios(help, oclif),
      atMost: 1.2,
      detail: `${middle(help)}; ${middle(oclif)}`,
    },
  ];
}

function middle(values) {
  return range([[...values].sort((a, b) => a - b)[values.length >> 1]], 'ms');
}
