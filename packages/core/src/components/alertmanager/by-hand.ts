import { shellWord, type ByHand, type ByHandRequest } from '../../model/by-hand.js';

/** How one Alertmanager is put back without lsbackup: configuration and state files. The silences of the moment are only taken out, to compare. */
export function byHand({ unit, artifacts }: ByHandRequest): readonly ByHand[] {
  const service = shellWord(typeof unit.roles?.service === 'string' ? unit.roles.service : 'alertmanager.service');
  return artifacts
    .filter(({ path }) => path.endsWith('/files.tar'))
    .map(({ path, host }) => ({
      host,
      title: 'configuration, silences and log of notifications of Alertmanager',
      artifacts: [path],
      notes: [
        'It is stopped first, because it writes its silences anew when it ends. What is replaced is saved first.',
        'Owners are the numbers they were: on another machine, give the files to the user that Alertmanager runs as.',
      ],
      commands: [
        `systemctl stop ${service}`,
        `replace_files ${path}`,
        'systemctl daemon-reload',
        `systemctl start ${service}`,
      ],
    }));
}
