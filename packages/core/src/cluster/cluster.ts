import type { BackupError } from '../model/errors.js';
import type { Json } from '../model/json.js';
import type { Secret } from '../model/secret.js';

/** One host of the inventory with its merged variables (group precedence applied) and how to reach it. */
export interface Host {
  /** The inventory name; it names the host everywhere: artifacts, metadata, errors. */
  readonly name: string;
  /** Every group the host is in, without `all` and `ungrouped`, sorted. */
  readonly groups: readonly string[];
  /** Without encrypted ones; of `lsbackup_*`, the options of components, all are there, decrypted and with references resolved. */
  readonly variables: Readonly<Record<string, Json>>;
  readonly connection: Connection;
  /** Why this version cannot reach the host; then its connection is none to use. Whoever wants the host throws it before any host is touched. */
  readonly refusal?: BackupError;
}

/**
 * How to reach a host and become root on it: what ssh would do with the arguments that Ansible gives it and with the user's own
 * configuration. Sources: Ansible documentation, "Connecting to hosts: behavioral inventory parameters"; ssh_config(5).
 */
export interface Connection extends Login {
  /** `ssh`: in this process, or by the system's ssh where that proves impossible; `openssh`: by the system's ssh; `local`: this machine itself. */
  readonly transport: 'ssh' | 'openssh' | 'local';
  /** Undefined: commands that need root run as the login user. */
  readonly become: Become | undefined;
  /** Hosts to go through, from the nearest to the last before the host itself. */
  readonly jumps: readonly Login[];
  /** The host as Ansible would write it on ssh's command line: what rules of the user's configuration look at, which may rename it. */
  readonly sshDestination: string;
  /** What Ansible would write on ssh's command line before the host's name, for the system's ssh. No secrets. */
  readonly sshArguments: readonly string[];
  /** They come from an encrypted variable, so they are not in `sshArguments`, and the system's ssh must not be used without them. */
  readonly hiddenArguments?: true;
  /** Options that are set somewhere and that this version does not honour, by name, without their values. */
  readonly ignoredOptions: readonly string[];
}

/** One server to log in to. */
export interface Login {
  /** A host name or an IP address. */
  readonly address: string;
  readonly port: number;
  /** Undefined: the name of the user who runs the program, which the caller of the library provides. */
  readonly user: string | undefined;
  /** Private keys in the order in which they are tried: absolute paths. Undefined: ssh's default ones that exist. */
  readonly identityFiles: readonly string[] | undefined;
  /** User certificates (CertificateFile), absolute paths: only the system's ssh can use them. */
  readonly certificateFiles: readonly string[];
  /** Only keys of `identityFiles`, also of those that the agent has. */
  readonly identitiesOnly: boolean;
  /** Socket of the agent; undefined: that of the user who runs the program; `none`: no agent. */
  readonly agentSocket: string | undefined;
  readonly password: Secret | undefined;
  /** Of the keys in `identityFiles` that are encrypted. */
  readonly passphrase: Secret | undefined;
  /** Ways to log in, in order; the server may not offer all of them. */
  readonly authentications: readonly Authentication[];
  readonly hostKeys: HostKeyPolicy;
  /** Lists in ssh_config's syntax (with `+`, `-`, `^` in front and `*`); undefined: the transport's own. */
  readonly algorithms: Readonly<Record<'ciphers' | 'keyExchange' | 'macs' | 'hostKeys', string | undefined>>;
  /** ServerAliveInterval; 0: off. Undefined: the transport's own. */
  readonly keepAliveSeconds: number | undefined;
  /** ServerAliveCountMax: how many signs of life may be missing. Undefined: the transport's own. */
  readonly keepAliveCount: number | undefined;
  readonly connectSeconds: number | undefined;
  /** Command whose standard input and output are the connection to this server, for `/bin/sh -c`, tokens expanded. */
  readonly proxyCommand: string | undefined;
}

export type Authentication = 'publickey' | 'keyboard-interactive' | 'password';

export interface HostKeyPolicy {
  /** The name the key is known under instead of address and port (HostKeyAlias). */
  readonly alias: string | undefined;
  /** Where new keys are added and looked up; undefined: `~/.ssh/known_hosts` and `~/.ssh/known_hosts2`. */
  readonly userFiles: readonly string[] | undefined;
  /** Undefined: `/etc/ssh/ssh_known_hosts` and `/etc/ssh/ssh_known_hosts2`. */
  readonly globalFiles: readonly string[] | undefined;
  /** `no` accepts any key, with a warning; `accept-new` adds the key of a host that is not known to the first of the user's files. */
  readonly strict: 'yes' | 'no' | 'accept-new';
  /** Whether names are hashed that are added. */
  readonly hash: boolean;
  /** File of keys that must not be trusted, one public key a line; undefined: none. */
  readonly revokedFile: string | undefined;
}

/** How to become another user. */
export interface Become {
  readonly method: 'sudo' | 'su';
  readonly password: Secret | undefined;
}

/** What an inventory says, as pure data. */
export interface Cluster {
  /** Name of the cluster: as the caller says, else as `manifest.yml` says, else the build directory's name. */
  readonly name: string;
  /** The inventory that was read: a file or a directory; several of them separated by `, `. */
  readonly inventoryFile: string;
  readonly inventorySha256: string;
  /** In inventory order. */
  readonly hosts: readonly Host[];
  /** Group name to the names of all hosts in it and in its children, in the order in which Ansible counts them. With `all` and `ungrouped`. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Groups whose hosts have no certain order in Ansible, so that `group[0]` could mean any of them. */
  readonly unorderedGroups?: ReadonlySet<string>;
  /** Groups that name hosts themselves (the others only gather groups), each with all groups above it, without `all`. */
  readonly namingGroups: ReadonlyMap<string, readonly string[]>;
  /** What the inventory says that is allowed but rarely meant, one sentence each. */
  readonly warnings: readonly string[];
}

/** Who runs the program. Core never reads the environment: the caller says. */
export interface LocalUser {
  readonly name: string;
  readonly homeDirectory: string;
  /** Socket of the SSH agent (`SSH_AUTH_SOCK`). */
  readonly agentSocket?: string;
  /** The shell that runs proxy commands, as ssh has it from `SHELL`; `/bin/sh` unless set. */
  readonly shell?: string;
  /** Asked once for each encrypted key that the inventory has no passphrase for, unless the agent has the key. Undefined: not known. */
  readonly passphrase?: (keyFile: string) => Promise<Secret | undefined>;
}
