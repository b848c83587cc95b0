import type { Connection, HostKeyPolicy, Login } from '../cluster.js';

/** What ssh does when nothing is configured: strict, as whoever runs unattended cannot be asked. */
export const plainHostKeyPolicy: HostKeyPolicy = {
  alias: undefined,
  userFiles: undefined,
  globalFiles: undefined,
  strict: 'yes',
  hash: false,
  revokedFile: undefined,
};

/** A login by address alone, as ssh makes it when nothing is configured. */
export function plainLogin(address: string): Login {
  return {
    address,
    port: 22,
    user: undefined,
    identityFiles: undefined,
    certificateFiles: [],
    identitiesOnly: false,
    agentSocket: undefined,
    password: undefined,
    passphrase: undefined,
    authentications: ['publickey', 'keyboard-interactive', 'password'],
    hostKeys: plainHostKeyPolicy,
    algorithms: { ciphers: undefined, keyExchange: undefined, macs: undefined, hostKeys: undefined },
    keepAliveSeconds: undefined,
    keepAliveCount: undefined,
    connectSeconds: undefined,
    proxyCommand: undefined,
  };
}

/** A connection by address alone, with sudo without a password where root is needed. */
export function plainConnection(address: string): Connection {
  return {
    ...plainLogin(address),
    transport: 'ssh',
    become: { method: 'sudo', password: undefined },
    jumps: [],
    sshDestination: address,
    sshArguments: [],
    ignoredOptions: [],
  };
}
