-- Everything that a restored server must have in common with the one that was backed up, one fact a line. Run in every database.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET search_path = pg_catalog;

\echo == :DBNAME
SELECT 'database', datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, shobj_description(oid, 'pg_database'),
  (SELECT array_agg(grant_text::text ORDER BY grant_text::text) FROM unnest(datacl) AS grant_text)
  FROM pg_database WHERE datname = current_database();
SELECT 'setting', coalesce(pg_get_userbyid(nullif(setrole, 0)), 'all'), unnest(setconfig) FROM pg_db_role_setting
  WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 2, 3;
SELECT 'role', to_jsonb(role) - 'oid', shobj_description(oid, 'pg_authid') FROM pg_authid AS role WHERE oid >= 16384 ORDER BY rolname;
SELECT 'member', pg_get_userbyid(roleid), pg_get_userbyid(member), admin_option FROM pg_auth_members WHERE member >= 16384 ORDER BY 2, 3;
SELECT 'extension', extname, extversion, extnamespace::regnamespace FROM pg_extension ORDER BY 2;
SELECT 'schema', nspname, pg_get_userbyid(nspowner), (SELECT array_agg(grant_text::text ORDER BY grant_text::text) FROM unnest(nspacl) AS grant_text)
  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 2;
SELECT 'default grant', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 2, 3, 4;
SELECT 'relation', oid::regclass, relkind, pg_get_userbyid(relowner), relrowsecurity, obj_description(oid, 'pg_class'),
  (SELECT array_agg(grant_text::text ORDER BY grant_text::text) FROM unnest(relacl) AS grant_text)
  FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY oid::regclass::text;
SELECT 'sequence', sequencename, start_value, increment_by, last_value FROM pg_sequences ORDER BY 2;
SELECT 'function', oid::regprocedure, md5(pg_get_functiondef(oid)) FROM pg_proc
  WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)' AND prokind IN ('f', 'p') ORDER BY oid::regprocedure::text;
SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0 AND connamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY conrelid::regclass::text, conname;
SELECT 'policy', schemaname, tablename, policyname, roles, qual FROM pg_policies ORDER BY 2, 3, 4;
SELECT 'large object', meta.oid, pg_get_userbyid(lomowner), lomacl, count(pageno), md5(string_agg(md5(data), '' ORDER BY pageno))
  FROM pg_largeobject_metadata AS meta LEFT JOIN pg_largeobject ON loid = meta.oid GROUP BY meta.oid, lomowner, lomacl ORDER BY 2;
SELECT format('SELECT %L, count(*), sum(hashtextextended(t::text, 1)) FROM %s AS t', 'rows of ' || oid::regclass, oid::regclass)
  FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY oid::regclass::text \gexec
