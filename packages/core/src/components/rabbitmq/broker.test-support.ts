import { Readable } from 'node:stream';
import type { Warning } from '../../model/artifact.js';
import { silentLogger } from '../../model/logger.js';
import { FakeHost, type FakeAnswer } from '../../testing/fake-host.js';
import type { Command } from '../../remote/remote-host.js';
import { selectAlone } from '../../restore/select-alone.test-support.js';
import type { Finding, MovedHost, RestoreContext, StepContext, UnitBackup } from '../restore.js';
import type { Definition } from './definitions.js';
import { objectsOf } from './objects.js';
import { parseDefinitions } from './definitions.js';
import { rabbitmqOptions, type RabbitmqOptions } from './options.js';

/** Definitions by kind, as an import and an export have them. */
export type Content = Readonly<Record<string, readonly Definition[]>>;

export const password = 'c2VjcmV0IGhhc2g=';
export const archived: Content = {
  users: [
    { name: 'guest', password_hash: password, tags: ['administrator'], limits: {} },
    { name: 'app', password_hash: password, tags: [], limits: {} },
  ],
  vhosts: [
    { name: '/', limits: [], metadata: { description: '', tags: [] } },
    { name: 'shop', limits: [['max-queues', 5]], metadata: { description: 'd', tags: ['a'] } },
  ],
  permissions: [
    { user: 'guest', vhost: '/', configure: '.*', write: '.*', read: '.*' },
    { user: 'app', vhost: 'shop', configure: '', write: '.*', read: '.*' },
  ],
  topic_permissions: [],
  parameters: [],
  global_parameters: [],
  policies: [
    { vhost: 'shop', name: 'ttl', pattern: '.*', 'apply-to': 'all', priority: 0, definition: { 'message-ttl': 1 } },
  ],
  exchanges: [{ vhost: 'shop', name: 'x', type: 'topic', durable: true, auto_delete: false, arguments: {} }],
  queues: [
    { vhost: 'shop', name: 'q', type: 'classic', durable: true, auto_delete: false, arguments: {} },
    { vhost: 'shop', name: 'reply', type: 'classic', durable: true, auto_delete: true, arguments: {} },
  ],
  bindings: [
    { vhost: 'shop', source: 'x', destination: 'q', destination_type: 'queue', routing_key: 'k', arguments: {} },
  ],
};

/** A node that keeps definitions in memory and knows the commands of a restore, and the files on its host. */
export class FakeBroker {
  readonly host: FakeHost;
  readonly files = new Map<string, string>();
  content: Content;
  /** Lines of `import` and `remove KEY`, in order. */
  readonly done: string[] = [];
  /** What an import answers instead. */
  importAnswer: FakeAnswer | undefined;
  /** Exports until what was imported shows. */
  delay = 0;
  #shown: Content;

  constructor(content: Content, { version = '3.10.8', name = 'mq1' } = {}) {
    const node = `rabbit@${name}`;
    this.content = content;
    this.#shown = content;
    const status = { rabbitmq_version: version, data_directory: `/var/lib/rabbitmq/mnesia/${node}` };
    const cluster = { cluster_name: node, disk_nodes: [node], running_nodes: [node] };
    this.host = new FakeHost({
      name,
      rules: [
        { argv: /^rabbitmqctl status/, answer: { stdout: JSON.stringify(status) } },
        { argv: /^rabbitmqctl cluster_status/, answer: { stdout: JSON.stringify(cluster) } },
        { argv: /^rabbitmqctl export_definitions/, answer: () => ({ stdout: this.#export() }) },
        { argv: /^stat /, answer: { stdout: 'rabbitmq\n' } },
        { argv: /^cat -- /, answer: ({ argv }) => ({ stdout: this.files.get(argv[2] ?? '') ?? '' }) },
        { argv: /^touch -- /, answer: ({ argv }) => this.#write(argv[2] ?? '', '') },
        { argv: /^(rm -f|mv) -- /, answer: ({ argv }) => this.#move(argv) },
        { argv: /^sh -c /, answer: (command, input) => this.#script(command, input) },
      ],
    });
  }

  #export(): string {
    if (this.delay > 0) this.delay -= 1;
    else this.#shown = this.content;
    return JSON.stringify({ rabbit_version: '3.10.8', ...this.#shown });
  }

  #write(path: string, content: string): FakeAnswer {
    this.files.set(path, content);
    return {};
  }

  #move(argv: readonly string[]): FakeAnswer {
    const isMove = argv[0] === 'mv';
    const from = argv[isMove ? 2 : 3] ?? '';
    if (isMove) this.files.set(argv[3] ?? '', this.files.get(from) ?? '');
    this.files.delete(from);
    return {};
  }

  #script({ argv }: Command, input: string): FakeAnswer {
    const [, , script = '', , ...rest] = argv;
    if (script.includes('for path'))
      return { stdout: rest.map((path) => (this.files.has(path) ? 'there\n' : 'missing\n')).join('') };
    if (script.includes('wc -c < "$1.part"')) return this.#write(rest[0] ?? '', input);
    if (script.includes('.part')) return this.#write(`${rest[1] ?? ''}.part`, this.#export());
    if (script.includes('rmdir')) {
      for (const path of rest.slice(1)) this.files.delete(path);
      return {};
    }
    if (rest[3] === 'eval') return this.#remove(JSON.parse(input) as string[][]);
    if (this.importAnswer !== undefined) return this.importAnswer;
    this.done.push('import');
    this.#import(JSON.parse(input) as Content);
    return {};
  }

  #import(added: Content): void {
    const key = (kind: string, entry: Definition): string =>
      [...objectsOf(parseDefinitions(JSON.stringify({ [kind]: [entry] }))).keys()][0] ??
      JSON.stringify([kind, entry.vhost, entry.name]);
    const merged: Record<string, readonly Definition[]> = {};
    for (const kind of Object.keys(archived)) {
      const entries =
        kind === 'queues' || kind === 'exchanges'
          ? [...(added[kind] ?? []), ...(this.content[kind] ?? [])]
          : [...(this.content[kind] ?? []), ...(added[kind] ?? [])];
      merged[kind] = [
        ...new Map(
          entries.map((entry) => [kind === 'bindings' ? JSON.stringify(entry) : key(kind, entry), entry]),
        ).values(),
      ];
    }
    this.content = merged;
  }

  #remove(entries: readonly (readonly string[])[]): FakeAnswer {
    for (const [kind = '', ...identity] of entries) {
      this.done.push(`remove ${kind} ${identity.join(' ')}`);
      const isNamed = ({ name, vhost, user }: Definition): boolean =>
        kind === 'users' || kind === 'vhosts' || kind === 'global_parameters'
          ? name === identity[0]
          : kind === 'permissions'
            ? user === identity[0] && vhost === identity[1]
            : vhost === identity[0] && name === identity[1];
      const target = kind === 'empty_queues' ? 'queues' : kind;
      const left = Object.entries(this.content).map(([own, all]) => [
        own,
        all.filter(
          (entry) => !(own === target && isNamed(entry)) && !(kind === 'vhosts' && entry.vhost === identity[0]),
        ),
      ]);
      if (kind !== 'user_limits') this.content = Object.fromEntries(left) as Content;
    }
    return { stdout: '{done,[]}\n' };
  }
}

export interface FakeRestore {
  readonly planning: RestoreContext<RabbitmqOptions>;
  readonly running: StepContext;
  readonly warnings: Warning[];
  readonly findings: Finding[];
}

/** What the engine gives, over one broker and an archive with these definitions. */
export function fakeRestore(
  broker: FakeBroker,
  content: Content = archived,
  selected: Readonly<Record<string, readonly string[]>> = {},
  moved: readonly MovedHost[] = [],
): FakeRestore {
  const warnings: Warning[] = [];
  const findings: Finding[] = [];
  const common = {
    runId: 'run-1',
    read: () => Promise.resolve(Readable.from([Buffer.from(JSON.stringify(content))])),
    warn: (warning: Warning) => void warnings.push(warning),
    signal: new AbortController().signal,
    log: silentLogger,
  };
  return {
    warnings,
    findings,
    running: { ...common, remote: () => Promise.resolve(broker.host) },
    planning: {
      ...common,
      target: () => broker.host.host,
      optionsFor: () => rabbitmqOptions.parse({}),
      remote: () => Promise.resolve(broker.host),
      selected: selectAlone('rabbitmq', 'mq1', selected),
      surveyTar: () => Promise.reject(new Error('no tar is read')),
      moved,
      report: (finding) => void findings.push(finding),
    },
  };
}

export function unitBackup(unit: Partial<UnitBackup['unit']> = {}): UnitBackup {
  const path = 'rabbitmq/mq1/definitions.json';
  return {
    component: 'rabbitmq',
    unit: {
      name: 'mq1',
      hosts: ['mq1'],
      status: 'complete',
      product: { name: 'RabbitMQ', version: '3.10.8', detectedBy: 'rabbitmqctl status' },
      identity: { clusterName: 'rabbit@mq1', nodes: ['rabbit@mq1'] },
      containsSecrets: true,
      warnings: [],
      ...unit,
    },
    artifacts: [
      { path, host: 'mq1', component: 'rabbitmq', unit: 'mq1', format: 'json' } as UnitBackup['artifacts'][number],
    ],
    failed: [],
  };
}
