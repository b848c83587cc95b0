import { describe, expect, it } from '@jest/globals';
import { plainHostKeyPolicy } from '../cluster/connection/plain-connection.js';
import {
  checkHostKey,
  fingerprint,
  hostKeyAlgorithms,
  keyType,
  knownName,
  parseKnownHosts,
  knownHostsLine,
} from './known-hosts.js';

// Keys made by ssh-keygen; fingerprints printed by `ssh-keygen -l`, hashed lines made by `ssh-keygen -H`.
const first = 'AAAAC3NzaC1lZDI1NTE5AAAAIIt7Pb6VSNK+nPXD9Z6g1584UMyM6yfX/+xNywnH+qd5';
const second = 'AAAAC3NzaC1lZDI1NTE5AAAAIAEi9/GMpQLwoK+eZfXUNKLdNIpEDZ3/ZmeRCIdu1kCN';
const ecdsa =
  'AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDKv0ajfW2S3hNdr7MTIvuG5ojOEy8pTj6WiZ5Jw53+uMG8KjOihRbvad7pkybJxcOMwAfnHDgZ3YBR3Iu9DbrE=';
const rsa =
  'AAAAB3NzaC1yc2EAAAADAQABAAAAgQDYlwBEGTiTLWgmQjWva6FpP07zKowo1R6kWytsXzVsUypKYDRvIeRfSfEjZZhIWkX/IApNekqFXScN7FNpQcASVtnKiWUMt0HS6YVx0oG6U3LffaVUUqLd6zwudEoA+JLITEP2dMS3j3KZxCQMWn+mwFi+YjxUxeANqU/uWe1W6w==';
const hashed = [
  `|1|Qn4+ZwM5ivojwQQz9iRXzq0YpxM=|ZyyrQrVff12xmpowAWp0kdr1EyI= ssh-ed25519 ${first}`,
  `|1|uRL0H1Lu/ibHJPrUOeaCCAwJLhI=|YYuSxGtkKPM2qtX4R4/4fYO0zio= ssh-ed25519 ${first}`,
].join('\n');

const key = (text: string): Buffer => Buffer.from(text, 'base64');
const named = (address: string, port = 22, alias?: string) =>
  knownName({ address, port, hostKeys: { ...plainHostKeyPolicy, alias } });
const status = (content: string, address: string, port = 22, shown = first): string =>
  checkHostKey(parseKnownHosts(content, 'known_hosts'), named(address, port), key(shown)).status;

describe('fingerprint and keyType', () => {
  it('are those of ssh-keygen', () => {
    expect([first, second, ecdsa].map((text) => fingerprint(key(text)))).toEqual([
      'SHA256:MShuiW+gb2nF1/a1dcFsJxMmV/VzxYeSxGpKGQfRTpE',
      'SHA256:TWyf0pQ5HFdm/oikNMqEl316QXW4UdIomrdeZRejkLc',
      'SHA256:kOYh+vyC04sSILD897CY0Q2KLiKQopfaiZTjmsGupXo',
    ]);
    expect([first, ecdsa, ''].map((text) => keyType(key(text)))).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256', '']);
  });
});

describe('checkHostKey', () => {
  it('knows plain names, addresses, ports, lists and wildcards, in any case', () => {
    const line = (hosts: string) => `${hosts} ssh-ed25519 ${first} a comment\n`;
    expect(status(line('db1'), 'db1')).toBe('known');
    expect(status(line('DB1.example'), 'db1.EXAMPLE')).toBe('known');
    expect(status(line('[db1]:2222'), 'db1', 2222)).toBe('known');
    expect(status(line('[db1]:2222'), 'db1')).toBe('unknown');
    expect(status(line('a,10.0.0.1'), '10.0.0.1')).toBe('known');
    expect(status(line('*.example,!bad.example'), 'db1.example')).toBe('known');
    expect(status(line('*.example,!bad.example'), 'bad.example')).toBe('unknown');
    expect(status(line('db?'), 'db1')).toBe('known');
    expect(status(line('db1'), 'db10')).toBe('unknown');
    expect(status(line('d.1'), 'db1')).toBe('unknown');
    expect(status(line('[fe80::1]:2222'), 'fe80::1', 2222)).toBe('known');
  });

  it('knows hashed names', () => {
    expect(status(hashed, 'db1.example.test')).toBe('known');
    expect(status(hashed, 'DB1.example.test')).toBe('known');
    expect(status(hashed, '10.0.0.5', 2222)).toBe('known');
    expect(status(hashed, '10.0.0.5')).toBe('unknown');
    expect(status(hashed, 'db2.example.test')).toBe('unknown');
    expect(status(hashed, 'db1.example.test', 22, second)).toBe('changed');
  });

  it('takes any key that is not among the recorded ones for a changed one, also of another type', () => {
    expect(status(`db1 ssh-ed25519 ${first}`, 'db1', 22, second)).toBe('changed');
    expect(status(`db1 ssh-ed25519 ${first}`, 'db1', 22, ecdsa)).toBe('changed');
    expect(status(`db1 ssh-ed25519 ${second}\ndb1 ssh-ed25519 ${first}`, 'db1')).toBe('known');
  });

  it('takes the key of the bare name for a port that is not recorded, only when it is the same key', () => {
    expect(status(`db1 ssh-ed25519 ${first}`, 'db1', 2222)).toBe('known');
    expect(status(`db1 ssh-ed25519 ${first}`, 'db1', 2222, second)).toBe('unknown');
    expect(status(`db1 ssh-ed25519 ${first}\n[db1]:2222 ssh-ed25519 ${second}`, 'db1', 2222)).toBe('changed');
  });

  it('honours @revoked before anything else, and names @cert-authority as what it is', () => {
    expect(status(`db1 ssh-ed25519 ${first}\n@revoked * ssh-ed25519 ${first}`, 'db1')).toBe('revoked');
    const authority = parseKnownHosts(`@cert-authority *.example ssh-ed25519 ${first}`, 'f');
    expect(checkHostKey(authority, named('db1.example'), key(first))).toEqual({ status: 'unknown', authorities: true });
  });

  it('leaves comments, broken lines and unknown markers out, and says where an entry is', () => {
    const content = `# db1 ssh-ed25519 ${first}\n\nbroken\n@other db1 ssh-ed25519 ${first}\n\tdb1  ssh-ed25519  ${first}\r\n`;
    expect(parseKnownHosts(content, 'f')).toEqual([
      { marker: undefined, patterns: 'db1', type: 'ssh-ed25519', key: key(first), file: 'f', line: 5 },
    ]);
  });
});

describe('hostKeyAlgorithms', () => {
  it('asks for the recorded types first, and for all others after them', () => {
    const entries = parseKnownHosts(`db1 ecdsa-sha2-nistp256 ${ecdsa}\nold ssh-rsa ${rsa}\n`, 'f');
    expect(hostKeyAlgorithms(entries, named('db1', 22))[0]).toBe('ecdsa-sha2-nistp256');
    expect(hostKeyAlgorithms(entries, named('db1', 2222))[0]).toBe('ecdsa-sha2-nistp256');
    expect(hostKeyAlgorithms(entries, named('old', 22)).slice(0, 3)).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-rsa',
    ]);
    expect(hostKeyAlgorithms(entries, named('new', 22))[0]).toBe('ssh-ed25519');
    expect(new Set(hostKeyAlgorithms(entries, named('old', 22))).size).toBe(7);
  });
});

describe('knownHostsLine', () => {
  it('makes a key known, also under a hashed name', () => {
    const { name } = named('DB1', 2222);
    expect(knownHostsLine(name, key(first), { hash: false })).toBe(`[db1]:2222 ssh-ed25519 ${first}\n`);
    const line = knownHostsLine(name, key(first), { hash: true });
    expect(line).toMatch(/^\|1\|[^|]{28}\|[^|]{28} ssh-ed25519 /);
    expect(status(line, 'db1', 2222)).toBe('known');
    expect(status(line, 'db1')).toBe('unknown');
  });
});
