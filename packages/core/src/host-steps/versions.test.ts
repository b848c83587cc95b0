import { expect, it } from '@jest/globals';
import { requireVersion } from './versions.js';

const check = (archived: string, version: string | undefined, parts?: number): void =>
  requireVersion(
    { product: { name: 'P', version: archived, detectedBy: '' } },
    { host: 'h', component: 'c', version, ...(parts === undefined ? {} : { parts }) },
  );

it('takes the same version and newer ones', () => {
  for (const [archived, version] of [
    ['2.6.12-1+deb12u4', '2.6.12'],
    ['2.6.12', '2.6.1'],
    ['2.6', '2.10'],
    ['9.6.1', '15.2'],
    ['unknown', '1.0'],
  ])
    expect(() => check(archived ?? '', version)).not.toThrow();
});

it('refuses older ones', () => {
  for (const [archived, version] of [
    ['2.10.0', '2.9.9'],
    ['3.0', '2.99'],
    ['2.1', '2'],
  ])
    expect(() => check(archived ?? '', version)).toThrow(expect.objectContaining({ code: 'RESTORE_VERSION' }));
  expect(() => check('15.8', '14.9', 1)).toThrow(/14\.9 is older than 15\.8/);
  expect(() => check('15.8', '15.1', 1)).not.toThrow();
});

it('says that nothing is installed', () => {
  expect(() => check('2.6', undefined)).toThrow(expect.objectContaining({ code: 'SERVICE_MISSING' }));
});
