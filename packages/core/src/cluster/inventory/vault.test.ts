import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { BackupError } from '../../model/errors.js';
import { Secret } from '../../model/secret.js';
import { isVaultText, Vault } from './vault.js';
import type { VaultSecret } from './vault.js';

/** Made by `ansible-vault encrypt_string` of ansible-core 2.19 with the passwords below. */
const plain = `$ANSIBLE_VAULT;1.1;AES256
37383863373636623636313165313765646134656436376533643564663364613466356164653739
6130656666633432626261626339666330353334336238330a376465623538386231353631663134
36303635366263383861316262373635613165393761363733366361323463646162313832653363
6432376333303533650a343462336439383332633233633263396630323530363330623466623861
3331
`;
const labelled = `$ANSIBLE_VAULT;1.2;AES256;prod
32333763383334663630303039303932613333393764656431663537353162626531326335393937
3930306465333031303766653065313233633630616531620a643733373861336464383236646363
36666261643362643463356239666530393261303434386263613136313862376233623237346430
6363636566393939640a643264616565636461613230393163386638306564313862643164646434
6234
`;
const notUtf8 = `$ANSIBLE_VAULT;1.1;AES256
38653461643064613362386230346534323738623765333239396466643532636233643936316165
3066303737313465616332363463623461323164643930390a316137346132616561653565646630
36363030376330323531666431346237353566336338326633613432643263373436363137343932
6164386531626639310a653363643663626662316530653030356630393466616531383762343633
3137
`;
const horse: VaultSecret = { id: undefined, password: new Secret('correct horse') };
const battery: VaultSecret = { id: 'prod', password: new Secret('battery') };
const wrong: VaultSecret = { id: 'prod', password: new Secret('staple') };
const body = plain.slice(plain.indexOf('\n'));

const decrypt = (text: string, ...secrets: VaultSecret[]) =>
  new Vault(secrets).decrypt(text, '/b/group_vars/all.yml:7');

function outcome(text: string): string {
  try {
    return decrypt(text, horse);
  } catch (error) {
    return error instanceof BackupError ? error.code : String(error);
  }
}

describe('Vault', () => {
  it('tells no vault id of a text that stands in an encrypted file', () => {
    expect(() => new Vault([]).decrypt(labelled, '/b/group_vars/all.yml:7', true)).toThrow(
      /:7: encrypted by ansible-vault, and no vault password was given$/,
    );
  });

  it('decrypts formats 1.1 and 1.2, whatever the label of the password', () => {
    expect(decrypt(plain, horse)).toBe('sésame{{ x }}');
    expect(decrypt(labelled, battery)).toBe('10.1.2.3');
    expect(decrypt(labelled, wrong, { ...battery, id: 'other' })).toBe('10.1.2.3');
    expect(decrypt(plain, battery, wrong, { ...horse, id: 'x' })).toBe('sésame{{ x }}');
  });

  it.each([
    ['another version', `$ANSIBLE_VAULT;9.9;AES256${body}`],
    ['an empty id', `$ANSIBLE_VAULT;1.2;AES256;${body}`],
    ['a padded header', `$ANSIBLE_VAULT ; 1.2 ; AES256 ; id ${body}`],
    ['line ends of Windows', plain.replaceAll('\n', '\r\n')],
    ['upper-case digits', `$ANSIBLE_VAULT;1.1;AES256${body.toUpperCase()}`],
    ['an empty line', `$ANSIBLE_VAULT;1.1;AES256\n${body}`],
  ])('takes %s, as Ansible does', (_, text) => {
    expect(decrypt(text, horse)).toBe('sésame{{ x }}');
  });

  it('tells a password that is missing from one that is wrong', () => {
    expect(() => decrypt(labelled)).toThrow(
      expect.objectContaining({
        code: 'VAULT_PASSWORD',
        exitStatus: 12,
        message:
          '/b/group_vars/all.yml:7: encrypted by ansible-vault with vault id "prod", and no vault password was given',
        hint: expect.stringContaining('--vault-password-file'),
      }),
    );
    for (const secrets of [[wrong], [horse, wrong], [{ id: 'prod', password: new Secret('') }]]) {
      expect(() => decrypt(labelled, ...secrets)).toThrow(
        expect.objectContaining({
          code: 'VAULT_PASSWORD',
          message: expect.stringMatching(/^\/b\/group_vars\/all.yml:7: .*vault id "prod".* wrong vault password$/),
          hint: expect.stringContaining('"prod"'),
        }),
      );
    }
    expect(() => decrypt(plain, battery)).toThrow(
      expect.objectContaining({
        message:
          '/b/group_vars/all.yml:7: encrypted by ansible-vault, and no vault password fits: wrong vault password',
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['other text', 'bad'],
    ['a space in front', ` ${plain}`],
    ['a header alone', '$ANSIBLE_VAULT;1.1;AES256\n'],
    ['a header without cipher', `$ANSIBLE_VAULT;1.1${body}`],
    ['another cipher', `$ANSIBLE_VAULT;1.0;AES${body}`],
    ['a missing end', plain.slice(0, -3)],
    ['a missing line', plain.replace(/\n36303635.*\n.*\n/, '\n')],
    ['spaces at line ends', plain.replaceAll('\n', ' \n')],
    ['letters that are no digits', plain.replace('37383863', '3738xx63')],
    ['text that is not UTF-8', notUtf8],
  ])('%s: damaged, with the place', (_, text) => {
    expect(() => decrypt(text, horse)).toThrow(
      expect.objectContaining({
        code: 'INVENTORY_SYNTAX',
        message: expect.stringMatching(/^\/b\/group_vars\/all.yml:7: .*damaged/),
      }),
    );
  });

  it('makes nothing else of a changed text', () => {
    const digits = fc.nat(body.length - 1).filter((place) => body[place] !== '\n');
    fc.assert(
      fc.property(digits, fc.constantFrom('0', '3', '7', 'a', 'f', 'g', ' '), (place, digit) => {
        const changed = `$ANSIBLE_VAULT;1.1;AES256${body.slice(0, place)}${digit}${body.slice(place + 1)}`;
        expect(outcome(changed)).toMatch(/^(sésame\{\{ x \}\}|VAULT_PASSWORD|INVENTORY_SYNTAX)$/);
      }),
      { numRuns: 100 },
    );
  });

  it('knows a file that is encrypted as a whole', () => {
    expect(isVaultText(Buffer.from(plain))).toBe(true);
    for (const text of ['', '$ANSIBLE', ` ${plain}`, `\n${plain}`, `${plain}é`, `x: !vault |\n  ${plain}`]) {
      expect(isVaultText(Buffer.from(text))).toBe(false);
    }
  });
});
