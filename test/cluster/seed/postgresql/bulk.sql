-- Data that does not compress, so that its dump (text, so twice this size) spans many chunks of an archive.
CREATE TABLE measurement (id integer PRIMARY KEY, payload bytea NOT NULL);
ALTER TABLE measurement ALTER COLUMN payload SET STORAGE EXTERNAL;
INSERT INTO measurement
    SELECT id, (SELECT string_agg(sha512((id * 100 + n)::text::bytea), '' ORDER BY n) FROM generate_series(1, 64) AS n)
    FROM generate_series(1, 8000) AS id;
