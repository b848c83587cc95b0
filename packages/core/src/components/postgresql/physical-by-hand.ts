import { shellWord, type ByHand, type ByHandRequest } from '../../model/by-hand.js';
import { physicalRecordOf } from './physical-backup.js';

/** The whole server in the place of the one that is there, which is kept; back to that one where the new one does not start. */
export function physicalByHand({ unit, artifacts }: ByHandRequest, setUp: readonly string[]): readonly ByHand[] {
  const recorded = physicalRecordOf(unit.baseline);
  const artifact = artifacts.find(({ path }) => /\/(?:\d+-)?base\.tar$/.test(path));
  if (recorded === undefined || artifact === undefined) return [];
  const { server, versionNumber, architecture, libc } = recorded;
  const data = shellWord(server.dataDirectory);
  const user = shellWord(server.user);
  const service = shellWord(server.unit ?? 'postgresql.service');
  return [
    {
      host: artifact.host,
      title: 'PostgreSQL as a whole, with all its roles and databases',
      artifacts: [artifact.path],
      notes: [
        'Instead of the sections about roles and databases. All that is on the server now is replaced; it is kept beside its directory, and is put back where the new one does not start.',
        `Only for PostgreSQL ${String(Math.floor(versionNumber / 10_000))} on ${architecture}. Where the C library is not ${libc || 'the same'}, run REINDEX DATABASE in every database afterwards.`,
        'Stop standbys and repmgrd before, and clone each standby anew afterwards (repmgr standby clone --force, or pg_basebackup --write-recovery-conf). A WAL archive must be emptied or have another place: the restored server goes on in the timeline of the backup.',
        `Configuration in the data directory stays as it is on the host. SERVER_DATA and SERVER_UNIT say where the server is, if not in ${server.dataDirectory} and ${server.unit ?? 'postgresql.service'}.`,
      ],
      commands: [
        `export SERVER_USER=\${SERVER_USER:-${user}}`,
        ...setUp,
        `test -n "\${SERVER_DATA-}" || SERVER_DATA=${data}`,
        `test -n "\${SERVER_UNIT-}" || SERVER_UNIT=${service}`,
        'beside=${SERVER_DATA%/*}/.replaced-$(date +%Y%m%dT%H%M%S)',
        'install -d -o "$SERVER_USER" -m 700 "$beside" "$beside/new"',
        `artifact ${artifact.path} | as_postgres tar -C "$beside/new" -xpf -`,
        'as_postgres pg_verifybackup --quiet "$beside/new"',
        'rm -f "$beside/new/standby.signal" "$beside/new/recovery.signal"',
        'for file in postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf; do',
        '  if test -f "$SERVER_DATA/$file"; then cp -a --remove-destination "$SERVER_DATA/$file" "$beside/new/"; fi',
        'done',
        'systemctl stop "$SERVER_UNIT"',
        'if test -e "$SERVER_DATA"; then mv -T "$SERVER_DATA" "$beside/old"; echo "what was there is in $beside/old"; fi',
        'mv -T "$beside/new" "$SERVER_DATA"',
        'systemctl start "$SERVER_UNIT" || :',
        `is_ready() { test "$(as_postgres psql --no-psqlrc -At --dbname=postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f; }`,
        'until is_ready; do',
        '  sleep 1',
        '  state=$(sed -n 8p "$SERVER_DATA/postmaster.pid" 2>/dev/null || :)',
        '  if test -z "$state"; then',
        '    systemctl stop "$SERVER_UNIT" || :',
        '    mv -T "$SERVER_DATA" "$beside/failed"',
        '    if test -e "$beside/old"; then mv -T "$beside/old" "$SERVER_DATA"; systemctl start "$SERVER_UNIT"; fi',
        '    echo "the restored server does not start: it is in $beside/failed, and what was there is back" >&2',
        '    exit 1',
        '  fi',
        'done',
      ],
    },
  ];
}
