import { describe, expect, it } from '@jest/globals';
import { plainLogin } from '../../cluster/connection/plain-connection.js';
import { NeedsOpenssh } from '../needs-openssh.js';
import { chooseAlgorithms } from './algorithms.js';

const none = plainLogin('').algorithms;
const hostKeys = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'];

describe('chooseAlgorithms', () => {
  it('offers GCM first, and no compression', () => {
    const chosen = chooseAlgorithms(none, hostKeys);
    expect(chosen.cipher).toEqual(expect.arrayContaining(['aes128-ctr']));
    expect((chosen.cipher as string[])[0]).toBe('aes128-gcm@openssh.com');
    expect(chosen.serverHostKey).toEqual(hostKeys);
    expect(chosen.compress).toEqual(['none']);
  });

  it('leaves out what ssh2 does not have', () => {
    const keyExchange = 'sntrup761x25519-sha512@openssh.com,curve25519-sha256';
    expect(chooseAlgorithms({ ...none, keyExchange }, hostKeys).kex).toEqual(['curve25519-sha256']);
  });

  it('gives host keys the order of the known ones unless a list says otherwise', () => {
    const order = (text: string): unknown => chooseAlgorithms({ ...none, hostKeys: text }, hostKeys).serverHostKey;
    expect(order('rsa-sha2-512,ssh-ed25519,ssh-ed25519-cert-v01@openssh.com')).toEqual(['rsa-sha2-512', 'ssh-ed25519']);
    expect(order('^rsa-sha2-256')).toEqual(['rsa-sha2-256', 'ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512']);
    expect(order('-ssh-ed25519')).toEqual(['ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256']);
    expect(order('+ssh-dss')).toEqual(hostKeys);
  });

  it.each([
    ['ciphers', 'aes128-ctr@example', 'Ciphers'],
    ['keyExchange', 'mlkem768x25519-sha256', 'KexAlgorithms'],
    ['macs', 'umac-64@openssh.com', 'MACs'],
    ['hostKeys', '*-cert-v01@openssh.com', 'HostKeyAlgorithms'],
  ])('says that nothing is left of %s', (list, text, option) => {
    const choose = (): unknown => chooseAlgorithms({ ...none, [list]: text }, hostKeys);
    expect(choose).toThrow(NeedsOpenssh);
    expect(choose).toThrow(option);
  });

  it('names only what ssh2 takes', async () => {
    const { default: ssh2 } = await import('ssh2');
    const all = { ciphers: '*', keyExchange: '*', macs: '*', hostKeys: undefined };
    const client = new ssh2.Client();
    client.on('error', () => undefined);
    expect(() =>
      client.connect({
        host: '127.0.0.1',
        port: 1,
        username: 'x',
        algorithms: chooseAlgorithms(all, hostKeys),
      }),
    ).not.toThrow();
    client.destroy();
  });
});
