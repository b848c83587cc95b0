import { access } from 'node:fs/promises';
import path from 'node:path';
import type { ParsedKey } from 'ssh2';
import type { LocalUser, Login } from '../../cluster/cluster.js';
import type { Secret } from '../../model/secret.js';
import { fingerprint } from '../known-hosts.js';
import { listAgentKeys, signWithAgent } from './agent.js';
import type { AgentKey } from './agent.js';
import type { KeyFile } from './key-file.js';
import { AgentProblem, KeyProblem, OpensshOnlyKey, needsPassphrase } from './key-problem.js';
import type { KeyRing } from './key-ring.js';

/** In ssh's order (ssh_config(5), IdentityFile). */
const defaultKeys = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk'];

/** A key to offer to a server. */
export interface KeyOffer {
  /** For messages. */
  readonly label: string;
  /** May ask for a passphrase where a file does not say what its public half is. Rejects with KeyProblem. */
  readonly publicKey: () => Promise<ParsedKey>;
  /** Called when the server has said that it takes the key; may ask for a passphrase. Rejects with KeyProblem or what the agent says. */
  readonly sign: (data: Buffer, hash: string | undefined, signal: AbortSignal) => Promise<Buffer>;
}

export interface Identities {
  readonly offers: readonly KeyOffer[];
  /** Why keys that were named are not among the offers. */
  readonly problems: readonly KeyProblem[];
  /** What there is beside the offers that the system's ssh could log in with. */
  readonly opensshOnly: readonly string[];
}

export interface IdentitySources {
  readonly user: LocalUser;
  readonly keys: KeyRing;
  readonly signal: AbortSignal | undefined;
}

/**
 * The keys to offer, in ssh's order: those of the agent that are also named as files, the agent's others unless only the named ones are
 * allowed, then the files that the agent does not have (sshconnect2.c, pubkey_prepare).
 */
export async function gatherIdentities(login: Login, sources: IdentitySources): Promise<Identities> {
  if (!login.authentications.includes('publickey')) return { offers: [], problems: [], opensshOnly: [] };
  const { user, keys, signal } = sources;
  const names = login.identityFiles ?? defaultKeys.map((name) => path.join(user.homeDirectory, '.ssh', name));
  const [read, agent] = await Promise.all([
    Promise.all(names.map((name) => keys.read(name))),
    askAgent(login, user, signal),
  ]);
  const files = login.identityFiles === undefined ? read.filter(({ isMissing }) => !isMissing) : read;
  const held = agentKeysInOrder(agent.keys, files, login.identitiesOnly);
  const ofFiles = fileOffers(
    files.filter(({ publicBlob }) => !agent.keys.some(({ blob }) => publicBlob?.equals(blob))),
    // Passphrases in the inventory are of the keys that the inventory names.
    { keys, passphrase: login.identityFiles === undefined ? undefined : login.passphrase },
  );
  return {
    offers: [...held.filter(isOurs).map((key) => agentOffer(agent.socket, key)), ...ofFiles.offers],
    problems: agent.problem === undefined ? ofFiles.problems : [...ofFiles.problems, agent.problem],
    opensshOnly: [
      ...(await certificates(login, names)),
      ...ofFiles.problems.filter((problem) => problem instanceof OpensshOnlyKey).map(({ message }) => message),
      ...held.filter((key) => !isOurs(key)).map(({ type }) => `the agent has a key of type ${type}`),
    ],
  };
}

function agentKeysInOrder(
  held: readonly AgentKey[],
  files: readonly KeyFile[],
  namedOnly: boolean,
): readonly AgentKey[] {
  const isNamed = ({ blob }: AgentKey): boolean => files.some(({ publicBlob }) => publicBlob?.equals(blob) ?? false);
  return [...held.filter(isNamed), ...(namedOnly ? [] : held.filter((key) => !isNamed(key)))];
}

function fileOffers(
  files: readonly KeyFile[],
  { keys, passphrase }: { readonly keys: KeyRing; readonly passphrase: Secret | undefined },
): { readonly offers: readonly KeyOffer[]; readonly problems: readonly KeyProblem[] } {
  const offers: KeyOffer[] = [];
  const problems: KeyProblem[] = [];
  for (const file of files) {
    const isLocked = file.privateKey?.isEncrypted === true && passphrase === undefined && !keys.canAsk;
    const problem = file.problem ?? (isLocked ? needsPassphrase(file.file) : undefined);
    if (problem === undefined) offers.push(fileOffer(file, keys, passphrase));
    else problems.push(problem);
  }
  return { offers, problems };
}

function fileOffer(file: KeyFile, keys: KeyRing, passphrase: Secret | undefined): KeyOffer {
  return {
    label: file.file,
    publicKey: () => (file.publicBlob === undefined ? keys.unlock(file, passphrase) : parsePublic(file.publicBlob)),
    sign: async (data, hash) => {
      const key = await keys.unlock(file, passphrase);
      // ssh2 returns its errors.
      const signature: unknown = key.sign(data, hash);
      if (Buffer.isBuffer(signature)) return signature;
      throw new KeyProblem(
        `the key ${file.file} does not sign`,
        `Check it with: ssh-keygen -y -f ${file.file}`,
        signature,
      );
    },
  };
}

function agentOffer(socket: string, { blob, comment, type }: AgentKey): KeyOffer {
  return {
    label: `the agent's key ${comment === '' ? fingerprint(blob) : comment.slice(0, 200)}`,
    publicKey: () => parsePublic(blob),
    sign: async (data, hash, signal) => {
      const signature = await signWithAgent(socket, { blob, data, hash }, signal);
      // Two numbers, each after its length; ssh2 would throw where nobody catches it.
      if (type.startsWith('ecdsa-') && signature[0] !== 0) throw new Error('the signature of the agent is malformed');
      return signature;
    },
  };
}

async function parsePublic(blob: Buffer): Promise<ParsedKey> {
  const { default: ssh2 } = await import('ssh2');
  // ssh2 returns its errors.
  const key: ParsedKey | Error = ssh2.utils.parseKey(blob);
  if ('getPublicSSH' in key) return key;
  throw new KeyProblem(`a public key is malformed: ${key.message}`, 'Make a new key pair with ssh-keygen.', key);
}

interface AgentAnswer {
  readonly socket: string;
  readonly keys: readonly AgentKey[];
  readonly problem: KeyProblem | undefined;
}

async function askAgent(login: Login, user: LocalUser, signal: AbortSignal | undefined): Promise<AgentAnswer> {
  const socket = login.agentSocket ?? user.agentSocket ?? '';
  if (socket === '' || socket === 'none') return { socket, keys: [], problem: undefined };
  try {
    return { socket, keys: await listAgentKeys(socket, signal), problem: undefined };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const problem = new AgentProblem(`the SSH agent at ${socket} was not used: ${why}`, 'Check SSH_AUTH_SOCK.', error);
    return { socket, keys: [], problem };
  }
}

/** Those that are named, or lie beside the keys where none is (ssh_config(5), CertificateFile). */
async function certificates(login: Login, names: readonly string[]): Promise<readonly string[]> {
  const files = login.certificateFiles.length > 0 ? login.certificateFiles : names.map((name) => `${name}-cert.pub`);
  const found = await Promise.all(
    files.map((file) =>
      access(file).then(
        () => file,
        () => undefined,
      ),
    ),
  );
  return found.flatMap((file) => (file === undefined ? [] : [`there is the certificate ${file}`]));
}

/** Whether ssh2 can use a key of the agent: it has neither certificates nor hardware tokens. */
function isOurs({ type }: AgentKey): boolean {
  return ['ssh-ed25519', 'ssh-rsa'].includes(type) || /^ecdsa-sha2-nistp(?:256|384|521)$/.test(type);
}
