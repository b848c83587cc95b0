import type { Fault, SampleHost } from '../../test/support/ssh-server.mjs';

export interface SampleCluster {
  /** A build directory: `inventory`, `ssh/id_ed25519`, `ssh/known_hosts`, `hosts/NAME/etc/haproxy`. */
  readonly directory: string;
  readonly hosts: readonly {
    readonly name: string;
    /** The directory of its configuration, here on this machine. */
    readonly configuration: string;
    readonly server: SampleHost;
  }[];
  close(): Promise<unknown>;
}

export function startSampleCluster(options: {
  readonly directory: string;
  /** lb1, lb2 and lb3 unless set. */
  readonly hosts?: readonly string[];
  readonly faults?: (host: string, command: string) => Fault | undefined;
}): Promise<SampleCluster>;
