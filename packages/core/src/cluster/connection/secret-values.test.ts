import { describe, expect, it } from '@jest/globals';
import { Vault as VaultWriter } from 'ansible-vault';

import { Secret } from '../../model/secret.js';
import { nothingConfigured } from '../ansible-config/config-settings.js';
import type { Connection } from '../cluster.js';
import { VaultValue } from '../inventory/inventory.js';
import type { InventoryHost, Variable } from '../inventory/inventory.js';
import { Vault } from '../inventory/vault.js';
import { connectionOf } from './connection.js';
import { user } from './connection.test-support.js';
import { connectionVariables } from './host-settings.js';
import { SshConfigs } from './ssh-config.js';
import { Ways } from './way.js';

const marker = 'Zq9Canary';
const password = 'correct horse';
const writer = new VaultWriter({ password });
const vault = new Vault([{ id: undefined, password: new Secret(password) }]);

const harmless = '-p 23';
const certificate = '-o CertificateFile=/keys/id-cert.pub';
const proxy = `-o 'ProxyCommand=sshpass -p ${marker} ssh -W %h:%p bastion'`;

/** What an encrypted value may say; each leads to another message. */
const texts = [
  marker,
  `{{ ${marker} }}`,
  `{{ ${marker} | upper }}`,
  `"${marker}`,
  `~${marker}/key`,
  `\${${marker}}/key`,
  `/keys/%z${marker}`,
  `a;${marker}`,
  `-o ${marker}`,
  `-o ${marker}=1`,
  `-o Unheard=${marker}`,
  `-o BindAddress=${marker} -b ${marker} -4`,
  `-o SetEnv=${marker} -o LocalCommand=${marker}`,
  `-o StrictHostKeyChecking=${marker}`,
  `-o ServerAliveInterval=${marker}`,
  `-o Port=${marker}`,
  `-o User="${marker} a"`,
  `-o 'User="${marker}'`,
  `-o IdentityAgent='$${marker}'`,
  `-i '~${marker}/key'`,
  `-i '\${${marker}}'`,
  `-J ${marker},,b`,
  `-J ${marker},${marker}`,
  `-J ${marker} -o ProxyUseFdpass=yes`,
  `-o 'ProxyCommand=nc ${marker} %z'`,
  proxy,
  harmless,
  certificate,
  'bob',
  `-o 'ProxyCommand=ssh -o StrictHostKeyChecking=${marker} -W %h:%p bastion'`,
  `-F /nowhere/${marker}`,
  `-${marker}`,
  `sshpass -p ${marker} ssh -W %h:%p bastion`,
];

const vaultValues = new Map(texts.map((text) => [text, new VaultValue(writer.encryptSync(text, ''))]));
const asVaultValue = (text: string): Partial<Variable> => ({ value: vaultValues.get(text) ?? null });
const asEncryptedFile = (text: string): Partial<Variable> => ({ value: text, encrypted: true });

function connectionWith(variables: Readonly<Record<string, Partial<Variable>>>): Promise<Connection> {
  const placed = { value: null, file: '/b/group_vars/all.yml', line: 7 };
  const host: InventoryHost = {
    name: 'web1',
    groups: [],
    place: { file: '/b/inventory', line: 1 },
    variables: new Map(Object.entries(variables).map(([name, variable]) => [name, { ...placed, ...variable }])),
  };
  const configs = new SshConfigs(user.homeDirectory, { user: '/nowhere/config', system: '/nowhere/ssh_config' });
  const ways = new Ways({ localUser: user, configs });
  return connectionOf(host, {
    file: '/b/inventory',
    user,
    ways,
    vault,
    password: undefined,
    configured: nothingConfigured,
    becomePassword: undefined,
  });
}

/** All that may be shown of a host with the variable, or of why it is refused. */
async function shownOf(variables: Readonly<Record<string, Partial<Variable>>>): Promise<string> {
  try {
    const connection = await connectionWith(variables);
    // Address, port, user and key file name where to go; ssh must be told, and the report does.
    const { ignoredOptions, password: own, passphrase, become, proxyCommand, sshArguments } = connection;
    const words = sshArguments.filter((word) => !/^(?:Port|User|IdentityFile)=/.test(word));
    return JSON.stringify({ ignoredOptions, own, passphrase, become, proxyCommand, words });
  } catch (error) {
    const { message, hint, code } = error as { message: string; hint?: string; code?: string };
    expect(code).toMatch(/^(?:INVENTORY_|CONFIG_INVALID$)/);
    return `${message} ${hint ?? ''}`;
  }
}

const places: readonly (readonly [string, (text: string) => Partial<Variable>])[] = [
  ['as !vault', asVaultValue],
  ['in an encrypted file', asEncryptedFile],
];

describe.each(places)('what is encrypted %s', (_, encrypted) => {
  it.each(connectionVariables)('is never shown: %s', async (name) => {
    const settings = [{}, { lsbackup_transport: { value: 'openssh' } }, { ansible_connection: { value: 'paramiko' } }];
    for (const text of texts) {
      for (const more of settings) {
        const shown = [
          await shownOf({ ...more, [name]: encrypted(text) }),
          await shownOf({ ...more, [name]: { value: '{{ secret }}' }, secret: encrypted(text) }),
        ];
        expect([text, shown.join('\n')]).toEqual([text, expect.not.stringContaining(marker)]);
      }
    }
  });

  it('never reaches the list of processes as an argument of ssh', async () => {
    const ansible_ssh_common_args = encrypted(harmless);
    const connection = await connectionWith({ ansible_ssh_common_args });
    expect(connection).toMatchObject({ port: 23, sshArguments: [], hiddenArguments: true });
    expect(await connectionWith({ ansible_user: encrypted('bob') })).not.toHaveProperty('hiddenArguments');
    const openssh = connectionWith({ ansible_ssh_common_args, lsbackup_transport: { value: 'openssh' } });
    await expect(openssh).rejects.toMatchObject({ code: 'INVENTORY_UNSUPPORTED', host: 'web1' });
    await expect(openssh).rejects.toThrow('encrypted variable, and lsbackup_transport chooses the ssh program');
    const certified = connectionWith({ ansible_ssh_common_args: encrypted(certificate) });
    await expect(certified).rejects.toThrow('encrypted variable, and a certificate needs the ssh program');
  });

  it('is no command that leads to a host', async () => {
    const command = encrypted(proxy);
    await expect(connectionWith({ ansible_ssh_extra_args: command })).rejects.toMatchObject({
      code: 'INVENTORY_UNSUPPORTED',
      message: expect.stringContaining('come from an encrypted variable and have a ProxyCommand'),
    });
  });
});
