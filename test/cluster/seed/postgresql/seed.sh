# Puts PostgreSQL back to one known content, whatever a test left behind.
cd /
run_sql() { runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 "$@" > /dev/null; }
directory=$(cd "$(dirname "$0")" && pwd)

printf '%s\n' "# Settings made by hand on this host" 'log_min_duration_statement = 5s' 'work_mem = 8MB' > /etc/postgresql/15/main/conf.d/local.conf
systemctl restart postgresql
run_sql -d postgres < "$directory/reset.sql"
run_sql -d postgres < "$directory/roles-and-databases.sql"
run_sql -d app < "$directory/app.sql"
run_sql -d bulk < "$directory/bulk.sql"
run_sql -d 'Odd "name" ünï' < "$directory/odd-names.sql"
run_sql -d 'with space/slash%percent' -c 'CREATE TABLE note (text text); INSERT INTO note VALUES ($$one$$), ($$two$$)'
run_sql -d latin1 -c 'CREATE TABLE street (name text); INSERT INTO street VALUES (chr(223))'
run_sql -d postgres -c 'ALTER DATABASE retired WITH ALLOW_CONNECTIONS false'
run_sql -d postgres -c 'CHECKPOINT'
