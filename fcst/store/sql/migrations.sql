-- schema_version
-- Whether the table of migrations exists.
SELECT to_regclass('fcst_app.migrations') IS NOT NULL AS found;

-- create_migrations
-- Creates the schema and the table of migrations, if they do not exist.
DO $$ BEGIN
    -- Not IF NOT EXISTS: it requires the privilege to create schemas even if the schema exists.
    IF to_regnamespace('fcst_app') IS NULL THEN CREATE SCHEMA fcst_app; END IF;
END $$;
CREATE TABLE IF NOT EXISTS fcst_app.migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- applied_migrations
-- The versions of applied migrations, in order.
SELECT version FROM fcst_app.migrations ORDER BY version;

-- record_migration
-- Records an applied migration.
INSERT INTO fcst_app.migrations (version, name) VALUES (%(version)s, %(name)s);

-- newest_migration
-- The version of the schema.
SELECT max(version) AS version FROM fcst_app.migrations;

-- server_version
-- The version of the server.
SELECT current_setting('server_version') AS version;

-- refuse_open_work
-- Before a restore: blocks new submissions, and raises an error if open work exists. Remembers revoked tokens and ended
-- sign-ins.
DO $$ BEGIN
    IF to_regclass('fcst_app.ingests') IS NOT NULL THEN
        LOCK TABLE fcst_app.jobs, fcst_app.ingests IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (SELECT 1 FROM fcst_app.jobs WHERE status IS NULL)
           OR EXISTS (SELECT 1 FROM fcst_app.ingests WHERE finished_at IS NULL) THEN
            RAISE EXCEPTION 'a run or a load was submitted meanwhile';
        END IF;
    END IF;
    IF to_regclass('fcst_app.tokens') IS NOT NULL THEN
        PERFORM set_config('fcst.revoked', string_agg(encode(hash, 'hex'), ','), true)
        FROM fcst_app.tokens WHERE revoked_at IS NOT NULL;
    END IF;
    IF to_regclass('fcst_app.sign_outs') IS NOT NULL THEN
        PERFORM set_config('fcst.sign_outs', jsonb_agg(s)::text, true) FROM fcst_app.sign_outs s;
    END IF;
END $$;

-- revoke_again
-- After a restore: revokes tokens again that were revoked after the backup, and ends sign-ins again that were ended.
DO $$ BEGIN
    IF to_regclass('fcst_app.tokens') IS NOT NULL THEN
        UPDATE fcst_app.tokens SET revoked_at = now()
        WHERE revoked_at IS NULL
          AND encode(hash, 'hex') = ANY (string_to_array(current_setting('fcst.revoked', true), ','));
    END IF;
    IF to_regclass('fcst_app.sign_outs') IS NOT NULL AND current_setting('fcst.sign_outs', true) <> '' THEN
        INSERT INTO fcst_app.sign_outs (at, sign_in, person)
        SELECT at, sign_in, person
        FROM jsonb_populate_recordset(NULL::fcst_app.sign_outs, current_setting('fcst.sign_outs', true)::jsonb)
        EXCEPT SELECT at, sign_in, person FROM fcst_app.sign_outs;
    END IF;
END $$;

-- clear_schema
-- Drops all objects in the schema but not the schema, to keep its grants and default privileges. Without CASCADE: if
-- objects outside the schema depend on its tables, it fails and drops nothing.
DO $$ DECLARE statement text; BEGIN
    FOREACH statement IN ARRAY ARRAY[
        (SELECT 'VIEW ' || string_agg('fcst_app.' || quote_ident(c.relname), ', ') FROM pg_catalog.pg_class c
         WHERE c.relnamespace = to_regnamespace('fcst_app') AND c.relkind = 'v'),
        (SELECT 'TABLE ' || string_agg('fcst_app.' || quote_ident(c.relname), ', ') FROM pg_catalog.pg_class c
         WHERE c.relnamespace = to_regnamespace('fcst_app') AND c.relkind IN ('r', 'p')),
        (SELECT 'ROUTINE ' || string_agg(p.oid::regprocedure::text, ', ') FROM pg_catalog.pg_proc p
         WHERE p.pronamespace = to_regnamespace('fcst_app'))
    ] LOOP
        IF statement IS NOT NULL THEN EXECUTE 'DROP ' || statement; END IF;
    END LOOP;
END $$;

-- has_data
-- Whether the database has any dataset, job or ingest.
SELECT EXISTS (SELECT 1 FROM fcst_app.datasets) OR EXISTS (SELECT 1 FROM fcst_app.jobs)
       OR EXISTS (SELECT 1 FROM fcst_app.ingests) AS found;

-- database_limits
-- The encoding of the database, and the transaction timeout on servers that have one.
SELECT current_database() AS name, current_user AS role, pg_encoding_to_char(d.encoding) AS encoding,
       current_setting('transaction_timeout', true) AS transaction_timeout
FROM pg_catalog.pg_database d WHERE d.datname = current_database();
