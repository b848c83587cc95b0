import type { RemoteHost } from '../remote/remote-host.js';
import type { Service } from './systemd.js';

/** Flags of a Go program such as Prometheus by name, without the dashes. A repeated flag has its first value. */
export type Flags = ReadonlyMap<string, string>;

/**
 * What a service was or would be started with: its own arguments over the defaults built into its program, which packages change (so `--help` is asked).
 */
export async function readFlags(remote: RemoteHost, service: Service, signal: AbortSignal): Promise<Flags> {
  const program = service.arguments[0];
  if (program?.startsWith('/') !== true) return parseFlags(service.arguments);
  const { stdout, stderr } = await remote.run({ argv: [program, '--help'], accept: [0, 1, 2, 126, 127] }, { signal });
  return new Map([...parseHelp(`${stdout.toString('utf8')}\n${stderr}`), ...parseFlags(service.arguments)]);
}

/** `--name=value`, `-name value`; a flag without a value is `true`, `--no-name` is `false`. */
export function parseFlags(words: readonly string[]): Flags {
  const flags = new Map<string, string>();
  for (let index = 1; index < words.length; index++) {
    const [, name, value] = /^--?([a-z][\w.-]*)(?:=(.*))?$/s.exec(words[index] ?? '') ?? [];
    if (name === undefined) continue;
    const next = words[index + 1];
    const separate = value === undefined && next !== undefined && !next.startsWith('-');
    if (separate) index += 1;
    if (value === undefined && !separate && name.startsWith('no-')) flags.set(name.slice(3), 'false');
    else if (!flags.has(name)) flags.set(name, value ?? (separate ? next : 'true'));
  }
  return flags;
}

/** Defaults as kingpin's `--help` shows them: `--config.file="prometheus.yml"`. Placeholders (`<path>`, `URL`) are no defaults. */
export function parseHelp(text: string): Flags {
  const flags = new Map<string, string>();
  for (const [, name, quoted, plain] of text.matchAll(/^\s+(?:-\w, )?--([a-z][\w.-]*)=(?:"([^"]*)"|(\S+))/gm)) {
    const value = quoted ?? plain ?? '';
    if (name !== undefined && (quoted !== undefined || !/^(?:[A-Z.-]+|<.*>)$/.test(value))) flags.set(name, value);
  }
  return flags;
}

/**
 * A path flag as an absolute path: relative ones are relative to where the service runs. Undefined when empty. A `..` stays: behind a
 * symbolic link it leads elsewhere than the text says, so only the host can take it away (`withoutDots` of host-files/).
 */
export function pathFlag(flags: Flags, name: string, service: Pick<Service, 'workingDirectory'>): string | undefined {
  const value = flags.get(name);
  if (value === undefined || value === '') return undefined;
  const absolute = value.startsWith('/') ? value : `${service.workingDirectory}/${value}`;
  return absolute.replace(/\/(?:\.?\/)+/g, '/').replace(/(?<=.)\/$/, '');
}
