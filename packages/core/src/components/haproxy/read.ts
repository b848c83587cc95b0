import { parseEnvironmentFile } from '../../host-services/environment-file.js';
import type { Service } from '../../host-services/systemd.js';
import { batches } from '../../host-files/paths.js';
import { BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { filesOfList, parseConfiguration, type Configuration, type Place } from './configuration.js';
import { words, type Variables } from './words.js';

/** `-f` may name a directory: haproxy then reads its `*.cfg` files in order. */
const readScript = `for path do
  if [ -d "$path" ]; then cat -- "$path"/*.cfg; else cat -- "$path"; fi || exit
  echo
done`;

/** The configuration and the certificate lists it names. Errors: SERVICE_MISSING when the configuration cannot be read. */
export async function readConfiguration(
  remote: RemoteHost,
  files: readonly string[],
  { signal, ...place }: Place & { readonly signal: AbortSignal },
): Promise<Configuration> {
  const { stdout, stderr, status } = await remote.run(
    { argv: ['sh', '-c', readScript, 'sh', ...files], become: 'root', accept: [0, 1] },
    { signal },
  );
  if (status !== 0)
    throw new BackupError(
      'SERVICE_MISSING',
      `${remote.host.name}: haproxy's configuration cannot be read (${files.join(', ')}): ${stderr.trim()}`,
      {
        host: remote.host.name,
        hint: 'If it lies elsewhere, set the option haproxy.config_file for this host.',
      },
    );
  const configuration = parseConfiguration(stdout.toString('utf8'), place);
  const listed = filesOfList(await readLists(remote, configuration.certificateLists, signal), configuration.bases);
  return {
    ...configuration,
    files: [...new Set([...configuration.files, ...listed.files])],
    certificates: [...new Set([...configuration.certificates, ...listed.certificates])],
  };
}

/** The text of those lists that are there; the others are missing files like any other. */
async function readLists(remote: RemoteHost, paths: readonly string[], signal: AbortSignal): Promise<string> {
  const texts: string[] = [];
  for (const batch of batches(paths)) {
    const { stdout } = await remote.run(
      { argv: ['sh', '-c', 'for path do cat -- "$path"; echo; done', 'sh', ...batch], become: 'root' },
      { signal },
    );
    texts.push(stdout.toString('utf8'));
  }
  return texts.join('\n');
}

/**
 * What haproxy reads by itself beside a certificate, where it is there: keys, OCSP answers, issuers, timestamps, and the parts of a bundle.
 * Source: HAProxy Configuration Manual, `crt`, `ssl-load-extra-files` and `ssl-load-extra-del-ext`.
 */
export function besideCertificates(path: string): readonly string[] {
  const kinds = ['key', 'ocsp', 'issuer', 'sctl', 'dh'];
  const names = [path, ...['rsa', 'ecdsa', 'dsa'].map((kind) => `${path}.${kind}`)];
  const bare = path.replace(/\.[^./]+$/, '');
  return [
    ...names.slice(1),
    ...names.flatMap((name) => kinds.map((kind) => `${name}.${kind}`)),
    ...(bare === path ? [] : kinds.map((kind) => `${bare}.${kind}`)),
  ];
}

/** Of the running process, as it was started. Nothing where none runs. */
const processScript = `pid=$(systemctl show --property=MainPID --value -- "$1" 2>/dev/null)
if [ "\${pid:-0}" != 0 ] && [ -r "/proc/$pid/environ" ]; then cat "/proc/$pid/environ"; fi
exit 0`;

/** The environment variables the service's configuration may use; none when no service was looked for. */
export async function readVariables(
  remote: RemoteHost,
  service: Service | undefined,
  signal: AbortSignal,
): Promise<Variables> {
  if (service === undefined) return new Map();
  const { stdout } = await remote.run(
    { argv: ['sh', '-c', processScript, 'sh', service.unit], become: 'root' },
    { signal },
  );
  if (stdout.length > 0) return new Map(assignments(stdout.toString('utf8').split('\0')));
  return readUnitVariables(remote, service, signal);
}

/** The variables with which systemd would start the service now, from the files its unit is made of. */
export async function readUnitVariables(
  remote: RemoteHost,
  service: Service | undefined,
  signal: AbortSignal,
): Promise<Variables> {
  const variables = new Map<string, string>();
  for (const path of service?.files ?? []) {
    const { stdout, status } = await remote.run(
      { argv: ['cat', '--', path], become: 'root', accept: [0, 1] },
      { signal },
    );
    if (status !== 0) continue;
    const text = stdout.toString('utf8');
    const found = path.includes('/systemd/')
      ? [...text.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) => assignments(words(line)))
      : parseEnvironmentFile(text);
    for (const [name, value] of found) variables.set(name, value);
  }
  return variables;
}

function assignments(texts: readonly string[]): readonly (readonly [string, string])[] {
  return texts.flatMap((text): readonly (readonly [string, string])[] => {
    const equals = text.indexOf('=');
    return equals < 1 ? [] : [[text.slice(0, equals), text.slice(equals + 1)]];
  });
}
