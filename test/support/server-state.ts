import { shellOnHost } from './cluster-host.js';
import { rabbitmqTables } from './rabbitmq-state.js';

/** A table that writers fill while a backup runs: what it holds differs from the moment before. */
const live = 'written_live';

const dumpScript = `cd /
plain() { sed -e '/^\\\\\\(un\\)\\?restrict /d'; }
sum() { sha256sum | cut -d ' ' -f 1; }
as() { runuser -u postgres -- "$@"; }
echo "roles $(as pg_dumpall --globals-only | plain | sum)"
as psql -XAtq -d postgres -c "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template0' ORDER BY datname COLLATE \\"C\\"" | while IFS= read -r name; do
  echo "definition $name $(as pg_dump --schema-only --create -d "dbname='$name'" < /dev/null | plain | sum)"
  echo "content $name $(as pg_dump --data-only --exclude-table-data=${live} -d "dbname='$name'" < /dev/null | plain | grep -v ${live}_id_seq | sum)"
done`;

/** Sums over roles and, for each database, what pg_dump writes of it: definitions with owners, rights, settings and comments; rows, large objects and sequences. */
export async function postgresqlState(host: string): Promise<readonly string[]> {
  return (await shellOnHost(host, dumpScript)).trim().split('\n');
}

/** Everything that definitions are made of, as RabbitMQ has it in its tables, without the names of nodes and the id that each cluster gives itself. */
export async function rabbitmqState(host: string): Promise<readonly string[]> {
  const lines = (await rabbitmqTables(host)).filter((line) => !line.includes('internal_cluster_id'));
  return lines.map((line) => line.replaceAll(/rabbit@\w+/g, 'rabbit@node'));
}
