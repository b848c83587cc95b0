import { expect, it } from '@jest/globals';
import { checkWhole } from '../../testing/check-format.js';
import { baseBackupFormat, type BaseBackup } from './physical-format.js';
import { baseFiles, baseTar, manifestOf, segmentSize, tarOf, type BaseFiles } from './physical.test-support.js';

const withManifest = (files: BaseFiles, manifest = manifestOf(files)): Buffer =>
  tarOf([...files, ['backup_manifest', manifest]]);
const without = (name: string): BaseFiles => baseFiles.filter(([each]) => each !== name);

function check(tar: Buffer, ...lengths: readonly number[]): BaseBackup | undefined {
  let seen: BaseBackup | undefined;
  checkWhole(
    baseBackupFormat((backup) => (seen = backup)),
    tar,
    lengths.length === 0 ? [tar.length] : lengths,
  );
  return seen;
}

function fault(tar: Buffer): unknown {
  try {
    return check(tar);
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

it('takes a whole base backup, however it comes in pieces, and tells what it is', () => {
  const told = {
    timeline: 1,
    walStart: '0/5000028',
    walStop: '0/5200000',
    walSegmentSize: segmentSize,
    files: 8,
    bytes: 30 + 3 + 2 * 8192 + 2 * segmentSize,
  };
  expect(check(baseTar)).toEqual(told);
  expect(check(baseTar, 511, 1000, 70_001)).toEqual(told);
  expect(check(baseTar, segmentSize - 1)).toEqual(told);
});

it('takes names of more than ASCII, and such as are no UTF-8, which the manifest encodes', () => {
  const name = Buffer.from('pg_logical/ü').toString('latin1');
  expect(check(withManifest([...baseFiles, [name, 'x']]))?.files).toBe(9);
  expect(check(withManifest([...baseFiles, ['odd\xff', 'x']]))?.files).toBe(9);
});

it('refuses one that lacks what it needs', () => {
  expect(fault(tarOf(baseFiles))).toContain('it has no backup_manifest');
  expect(fault(withManifest(without('backup_label')))).toContain('it has no backup_label');
  expect(fault(withManifest(without('global/pg_control')))).toContain('it has no global/pg_control');
  for (const number of ['50', '51'])
    expect(fault(withManifest(without(`pg_wal/0000000100000000000000${number}`)))).toContain(
      `it has no WAL segment 0000000100000000000000${number}`,
    );
  // A byte further, and one more is needed.
  const range = '"Start-LSN": "0/5000028", "End-LSN": "0/5200001"';
  expect(fault(withManifest(baseFiles, manifestOf(baseFiles, range)))).toContain('000000010000000000000052');
});

it('refuses one whose files are not those of its manifest', () => {
  for (const files of [
    without('base/5/1259'),
    baseFiles.map(([name, content]) =>
      name === 'base/5/1259' ? ([name, 'short'] as const) : ([name, content] as const),
    ),
    baseFiles.map(([name, content]) => [name.replace('1259', '1260'), content] as const),
    [...baseFiles, ['base/5/1', '']] as const,
  ])
    expect(fault(withManifest(files, manifestOf(baseFiles)))).toContain('its manifest lists');
});

it('refuses a manifest that is changed, cut, or something else', () => {
  const manifest = manifestOf(baseFiles);
  expect(fault(withManifest(baseFiles, manifest.replace('"Size": 3', '"Size": 4')))).toContain('checksum');
  expect(fault(withManifest(baseFiles, manifest.slice(0, -80)))).toContain('is not complete');
  expect(fault(withManifest(baseFiles, '{}\n'))).toContain('is not complete');
  expect(fault(withManifest(baseFiles, `{ "Path": 1 }\n${manifest}`))).toContain('not as PostgreSQL writes it');
});

it('refuses tablespaces that lie elsewhere, and a tar that is cut anywhere', () => {
  const mapped = baseFiles.map(
    ([name, content]) => [name, name === 'tablespace_map' ? '16384 /fast\n' : content] as const,
  );
  expect(fault(withManifest(mapped))).toContain('tablespaces');
  for (const end of [100, 512, 5000, segmentSize, baseTar.length - 2000, baseTar.length - 1024, baseTar.length - 1])
    expect(fault(baseTar.subarray(0, end))).toMatch(/^not a complete/);
});
