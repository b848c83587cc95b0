-- What restores have kept, or were about to load.
SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_database WHERE datname LIKE '%.lsbackup-old-%' OR datname LIKE 'lsbackup\_new\_%' \gexec
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname LIKE '%.lsbackup-old-%' OR datname LIKE 'lsbackup\_new\_%' \gexec
-- Drops every database and role that initdb did not make.
UPDATE pg_database SET datallowconn = true WHERE NOT datistemplate;
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' \gexec
SELECT format('DROP OWNED BY %I', rolname) FROM pg_roles WHERE oid >= 16384 \gexec
SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE oid >= 16384 \gexec
