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

-- refuse_open_work
-- Before a restore: nobody can submit any more, and what was submitted up to now is not lost by it. Remembers which tokens
-- were revoked, and which sign-ins were ended.
DO $$ BEGIN
    IF to_regclass('fcst_app.ingests') IS NOT NULL THEN
        LOCK TABLE fcst_app.jobs, fcst_app.ingests IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (SELECT 1 FROM fcst_app.jobs WHERE status IS NULL)
           OR EXISTS (SELECT 1 FROM fcst_app.ingests WHERE finished_at IS NULL) THEN
            RAISE EXCEPTION 'a run or a loading of sales was submitted meanwhile';
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
-- After a restore: tokens that were revoked since the backup stay so, and so do sign-ins that were ended.
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
-- All that is in the schema goes; the schema stays, and with it who may use it and what its new tables grant. No CASCADE:
-- where somebody has built on our tables elsewhere, nothing goes.
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
-- Whether anybody has loaded or run anything.
SELECT EXISTS (SELECT 1 FROM fcst_app.datasets) OR EXISTS (SELECT 1 FROM fcst_app.jobs)
       OR EXISTS (SELECT 1 FROM fcst_app.ingests) AS found;

-- database_limits
-- How the database stores texts, and how long a transaction may take, where the server has a limit of that kind.
SELECT current_database() AS name, current_user AS role, pg_encoding_to_char(d.encoding) AS encoding,
       current_setting('transaction_timeout', true) AS transaction_timeout
FROM pg_catalog.pg_database d WHERE d.datname = current_database();
