/**
 * A component of your own: one file of every host, here its crontab. Pass it to `backup` beside the built-in ones:
 * `backup({ components: [...builtInComponents, crontab], ... })`.
 */
import {
  artifactPath,
  BackupError,
  bytesFormat,
  type Command,
  type Component,
  type Discovery,
  discoverEachHost,
  type RemoteHost,
  type Unit,
  z,
} from '@lsbackup/core';

/** Set by inventory variables `lsbackup_crontab_file`, or `components.crontab.file` of lsbackup.yml, or `--set crontab.file=`. */
const options = z.strictObject({ file: z.string().startsWith('/').default('/etc/crontab') });
type Options = z.infer<typeof options>;

/** What `discover` found and `backup` needs again: plain data. */
type Found = Readonly<Record<'file', string>>;

export const crontab: Component<Options, Found> = {
  name: 'crontab',
  area: 'crontab',
  groups: ['all'],
  after: [],
  options,

  // Read-only. A host that cannot be asked, or has no such file, is a problem of its own and stops no other host.
  discover(context): Promise<Discovery<Found>> {
    return discoverEachHost('crontab', context, async (remote, host) => ({
      unit: await findUnit(remote, context.optionsFor(host).file, context.signal),
    }));
  },

  // Every artifact that the unit expects must be saved; `save` ends when its last byte is in the archive.
  async backup(context, unit) {
    const host = context.host(unit.name);
    const remote = await context.remote(host);
    await context.save({
      path: pathOf(host.name),
      host: host.name,
      format: bytesFormat,
      open: ({ signal }) => remote.read(readCommand(unit.found.file), { signal }),
    });
  },
};

async function findUnit(remote: RemoteHost, file: string, signal: AbortSignal): Promise<Unit<Found>> {
  const { name } = remote.host;
  const { stdout, status } = await remote.run(
    { argv: ['stat', '--format=%s', '--', file], become: 'root', accept: [0, 1] },
    { signal },
  );
  if (status !== 0) {
    throw new BackupError('SERVICE_MISSING', `${name}: there is no ${file}`, { hint: 'Set the option crontab.file.' });
  }
  return {
    name,
    hosts: [name],
    product: { name: 'cron', version: 'unknown', detectedBy: file },
    consistency: 'file-copy',
    containsSecrets: false,
    artifacts: [
      { path: pathOf(name), host: name, size: Number(stdout.toString()), commands: [readCommand(file).argv.join(' ')] },
    ],
    warnings: [],
    found: { file },
  };
}

/** A command is data: it is quoted, and run with sudo where the inventory says so, in one place. */
function readCommand(file: string): Command {
  return { argv: ['cat', '--', file], become: 'root' };
}

function pathOf(host: string): string {
  return artifactPath('crontab', host, 'crontab');
}
