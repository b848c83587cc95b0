import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { assembleNames } from '../../packages/core/src/remote/login/algorithms.js';

describe('lists of algorithms', () => {
  const names = (option: string): string[] =>
    execFileSync('ssh', ['-Q', option], { encoding: 'utf8' }).trim().split('\n');
  /** What ssh itself makes of the list. */
  const ofSsh = (option: string, text?: string): string[] => {
    const argv = ['-TG', '-F', 'none', ...(text === undefined ? [] : ['-o', `${option}=${text}`]), 'host'];
    const line = execFileSync('ssh', argv, { encoding: 'utf8' })
      .split('\n')
      .find((setting) => setting.startsWith(`${option.toLowerCase()} `));
    return line?.split(' ')[1]?.split(',') ?? [];
  };

  // Of MACs, ssh takes wildcards to remove only.
  it.each([
    ['MACs', 'hmac-sha2-512,hmac-sha1'],
    ['MACs', 'hmac-sha1,hmac-sha2-512,hmac-sha1'],
    ['MACs', '+hmac-md5'],
    ['MACs', '+hmac-md5,hmac-sha2-256'],
    ['MACs', '-hmac-sha1*'],
    ['MACs', '-*etm@openssh.com,umac*'],
    ['MACs', '^hmac-sha2-512,hmac-md5'],
    ['HostKeyAlgorithms', 'ssh-*'],
    ['HostKeyAlgorithms', '+ssh-rsa*'],
    ['HostKeyAlgorithms', '^rsa-sha2-???,ssh-ed25519'],
    ['HostKeyAlgorithms', '-*-cert-v01@openssh.com'],
  ])('does with %s=%s what ssh does', (option, text) => {
    const all = names(option === 'MACs' ? 'mac' : option);
    expect(assembleNames(text, ofSsh(option), all)).toEqual(ofSsh(option, text));
  });
});
