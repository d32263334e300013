-- schema_version
-- Whether the table of migrations is there.
SELECT to_regclass('fcst_app.migrations') IS NOT NULL AS found;

-- create_migrations
-- The schema and its own history; harmless when they are there.
DO $$ BEGIN
    -- Not IF NOT EXISTS: that asks for the right to create schemas even where there is nothing to create.
    IF to_regnamespace('fcst_app') IS NULL THEN CREATE SCHEMA fcst_app; END IF;
END $$;
CREATE TABLE IF NOT EXISTS fcst_app.migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- applied_migrations
-- The versions that have been applied, in order.
SELECT version FROM fcst_app.migrations ORDER BY version;

-- record_migration
-- One migration has been applied.
INSERT INTO fcst_app.migrations (version, name) VALUES (%(version)s, %(name)s);

-- newest_migration
-- The version of the schema.
SELECT max(version) AS version FROM fcst_app.migrations;

-- server_version
-- What answers.
SELECT current_setting('server_version') AS version;
