import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { readAnsibleConfig } from './ansible-config/ansible-config.js';
import { brokenTexts, canary, shownOf } from './canary.test-support.js';
import { readBackupDocument } from './documents/backup-document.js';
import { readManifest } from './documents/manifest.js';
import { readAdjacentVariables } from './inventory/adjacent-variables.js';
import { readSources } from './inventory/read-sources.js';
import { Vault } from './inventory/vault.js';

/** Its "encrypted" text is the text in hexadecimal: thousands of keys would take minutes to derive. */
class OpenVault extends Vault {
  override decrypt(text: string): string {
    return Buffer.from(text.slice(text.indexOf('\n') + 1), 'hex').toString('utf8');
  }
}

const vault = new OpenVault();
const inVault = (text: string): string => `$ANSIBLE_VAULT;1.1;AES256\n${Buffer.from(text, 'utf8').toString('hex')}`;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lsbackup-canary-'));
  await mkdir(join(directory, 'group_vars'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

type Reader = () => Promise<{ readonly warnings: readonly string[] }>;

/** What is said about any of the texts and has the canary in it. */
async function leaks(name: string, texts: readonly string[], read: Reader): Promise<readonly string[]> {
  const found: string[] = [];
  let said = 0;
  for (const text of texts) {
    writeFileSync(join(directory, name), text);
    const shown = await read().then(
      ({ warnings }) => warnings.join('\n'),
      (error: unknown) => shownOf(error),
    );
    if (shown !== '') said += 1;
    if (shown.toLowerCase().includes(canary.toLowerCase())) found.push(`${JSON.stringify(text)}: ${shown}`);
  }
  // Else nothing is shown by it.
  expect(said).toBeGreaterThan(texts.length / 10);
  return found;
}

const inventory =
  (name: string): Reader =>
  () =>
    readSources([join(directory, name)], { vault });
const variables: Reader = () => readAdjacentVariables(directory, { groups: ['web'], hosts: [] }, vault);

const value = `${canary}${canary}`;
const plain: readonly (readonly [string, string, (name: string) => Reader])[] = [
  ['hosts', `[web]\nw1 a=${value} b="${value} c"\n[web:vars]\nd=['${value}', {'e': ${value}}]\n[all:children]\nweb\n`, inventory],
  ['hosts.yml', `web:\n  hosts:\n    w1: {a: ${value}}\n  vars:\n    b: "${value}"\n    c: [${value}]\n`, inventory],
  ['hosts.json', `{"web": {"hosts": {"w1": {"a": "${value}"}},\n"vars": {"b": ["${value}", 1]}}}\n`, inventory],
  ['group_vars/web.yml', `a: ${value}\nb: '${value}'\nc: |\n  ${value}\nd: {e: ${value}}\nf:\n  - ${value}\n`, () => variables],
  ['group_vars/web.json', `{"a": "${value}",\n"b": ["${value}", {"c": "${value}"}]}\n`, () => variables],
  ['ansible.cfg', `[defaults]\nremote_user = ${value}\n[ssh_connection]\nssh_args = -o\n  ${value}\n[su_become_plugin]\npassword=${value}\n`, () => () => readAnsibleConfig(directory)],
  ['manifest.yml', `kind: lambdastack-cluster\nspecification:\n  name: x\n  admin: {password: ${value}}\n  b: "${value}"\n`, () => () => readManifest(directory)],
  ['backup.yml', `kind: configuration/backup\nspecification:\n  components:\n    monitoring: {enabled: true, a: "${value}"}\n    b:\n      c: ${value}\n`, (name) => () => readBackupDocument(join(directory, name))],
]; // prettier-ignore

const word = `${canary}w`;
const encrypted: readonly (readonly [string, string, (name: string) => Reader])[] = [
  ['hosts', `[${word}]\n${word} ${word}=${word} ${word}='${word} ${word}'\n[${word}:vars]\n${word}={${word}}\n[all:children]\n${word}\n${word}[1:2]\n`, inventory],
  ['hosts.yml', `${word}:\n  hosts:\n    ${word}: {${word}: ${word}}\n  children:\n    ${word}:\n  ${word}: {}\n  vars: {ansible_group_priority: 1}\n`, inventory],
  ['hosts.json', `{"${word}": {"hosts": {"${word}": {"${word}": "${word}"}},\n"vars": {"${word}": ["${word}", 1]}}}\n`, inventory],
  ['group_vars/web.yml', `${word}: ${word}\n${word}b: &${word} '${word}'\n${word}: !${word}\n${word}c:\n  - *${word}\n`, () => variables],
]; // prettier-ignore

describe('a password in a file that is broken', () => {
  it.each(plain)('is quoted by no message: %s', async (name, text, reader) => {
    expect(await leaks(name, brokenTexts(text), reader(name))).toEqual([]);
  });
});

describe('a file that is encrypted as a whole and broken', () => {
  it.each(encrypted)('has no word of it in a message: %s', async (name, text, reader) => {
    const texts = [text, ...brokenTexts(text)].map(inVault);
    expect(await leaks(name, texts, reader(name))).toEqual([]);
  });
});
