CREATE SCHEMA "Schema with ""quotes""";
CREATE TABLE "Schema with ""quotes"""."select" ("from" integer PRIMARY KEY, "a.b" text, "ünï" text);
INSERT INTO "Schema with ""quotes"""."select" SELECT n, 'x' || n, NULL FROM generate_series(1, 50) AS n;
CREATE EXTENSION "uuid-ossp";
