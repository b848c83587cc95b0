import type { Json } from '../model/json.js';

/** One host of the inventory with its merged variables (group precedence applied) and how to reach it. */
export interface Host {
  /** The inventory name; it names the host everywhere: artifacts, metadata, errors. */
  readonly name: string;
  /** Every group the host is in, without `all` and `ungrouped`, sorted. */
  readonly groups: readonly string[];
  readonly variables: Readonly<Record<string, Json>>;
  readonly connection: Connection;
}

/** How to log in, read from `ansible_*` variables. Source: Ansible documentation, "Connecting to hosts: behavioral inventory parameters". */
export interface Connection {
  readonly address: string;
  readonly port: number;
  /** Undefined: the name of the user who runs the program, which the caller of the library provides. */
  readonly user: string | undefined;
  /** Absolute path, `~` expanded; relative ones are relative to the working directory, as ssh takes them. */
  readonly privateKeyFile: string | undefined;
  /** False: commands that need root run as the login user. */
  readonly become: boolean;
  /** Undefined: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. */
  readonly knownHostsFiles: readonly string[] | undefined;
  /** `no` accepts any host key, with a warning. */
  readonly strictHostKeyChecking: 'yes' | 'no';
  readonly keepAliveSeconds: number | undefined;
  /** Options of `ansible_ssh_common_args`, `ansible_ssh_extra_args` and `ansible_ssh_args` that this version does not honour. */
  readonly ignoredOptions: readonly string[];
}

/** What an inventory says, as pure data. */
export interface Cluster {
  /** Name of the cluster: the build directory's name unless something better is known. */
  readonly name: string;
  /** The inventory file that was read. */
  readonly inventoryFile: string;
  readonly inventorySha256: string;
  /** In inventory order. */
  readonly hosts: readonly Host[];
  /** Group name to the names of all hosts in it and in its children, in inventory order. With `all` and `ungrouped`. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
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
}
