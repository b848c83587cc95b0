import { expect, it } from '@jest/globals';
import { opensshVersion, parseOpensshVersion } from './openssh-version.js';

it.each([
  ['OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026\n', true],
  ['OpenSSH_10.0p2, LibreSSL 4.1.0\n', true],
  ['OpenSSH_8.7p1, OpenSSL 3.0.7 1 Nov 2022\n', true],
  ['OpenSSH_8.6p1, LibreSSL 2.8.3\n', false],
  ['OpenSSH_for_Windows_7.7p1, LibreSSL 2.6.5\n', false],
  ['OpenSSH_7.4p1, OpenSSL 1.0.2k-fips  26 Jan 2017\n', false],
])('%j tells whether there is an option not to go to the background: %s', (text, forksByOption) => {
  expect(parseOpensshVersion(text)).toEqual({ name: text.split(',')[0], forksByOption });
});

it.each([
  ['OpenSSH_7.3p1, OpenSSL 1.0.2j\n', 'OpenSSH 7.3 is too old'],
  ['OpenSSH_6.6.1p1 Ubuntu\n', 'OpenSSH 6.6 is too old'],
  ['Dropbear v2022.83\n', 'it is not OpenSSH: Dropbear v2022.83'],
  ['', 'it is not OpenSSH'],
])('%j will not do', (text, message) => {
  expect(() => parseOpensshVersion(text)).toThrow(message);
});

it('of this machine can be read', async () => {
  expect(await opensshVersion(undefined)).toMatchObject({ name: expect.stringMatching(/^OpenSSH_/) });
  await expect(opensshVersion(AbortSignal.abort())).rejects.toThrow('aborted');
});
