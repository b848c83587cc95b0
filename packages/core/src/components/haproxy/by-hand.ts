import { z } from 'zod';
import { shellWord, type ByHand, type ByHandRequest } from '../../model/by-hand.js';

const identitySchema = z.object({ configurationFiles: z.array(z.string()) });

/** How one load balancer is put back without lsbackup: the files in their places, checked before the service is told. */
export function byHand({ unit, artifacts }: ByHandRequest): readonly ByHand[] {
  const files = identitySchema.safeParse(unit.identity).data?.configurationFiles ?? ['/etc/haproxy/haproxy.cfg'];
  const program = programOf(unit.product?.detectedBy);
  const service = typeof unit.roles?.service === 'string' ? unit.roles.service : 'none';
  return artifacts.map(({ path, host }) => ({
    host,
    title: 'configuration and certificates of haproxy',
    artifacts: [path],
    notes: [
      'Files that the backup has replace those that are there; others stay (look for those that haproxy must not read where -f names a directory). What is replaced is saved first, and put back where haproxy does not take the new configuration.',
      'Owners are the numbers they were. On another machine compare the group haproxy with what it was: a certificate that haproxy could read there it must be able to read here.',
      ...(program.startsWith('/') && program.includes(' ')
        ? ['haproxy runs in a container, which must run for the check. Restart it where new directories are mounted.']
        : []),
    ],
    commands: [
      `replace_files ${path}`,
      `if ! ${program} -c ${files.map((file) => `-f ${shellWord(file)}`).join(' ')}; then`,
      '  old_files_back',
      '  exit 1',
      'fi',
      ...(service === 'none'
        ? ['echo "now make haproxy read its configuration again"']
        : [
            'systemctl daemon-reload',
            `systemctl reload-or-restart ${shellWord(service)}`,
            'sleep 3',
            `systemctl is-active ${shellWord(service)}`,
          ]),
    ],
  }));
}

/** The command that told the version, as the archive has it, without its last word. */
function programOf(detectedBy = ''): string {
  return /^([\w@%+=:,./-]+(?: [\w@%+=:,./-]+)*) -v$/.exec(detectedBy)?.[1] ?? 'haproxy';
}
