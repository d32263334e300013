-- prepare_source_query
-- Limits the time of a source's query, fixes the formats of its values, and keeps its text for the next statement; all
-- until the end of the transaction.
SELECT set_config('statement_timeout', %(limit_ms)s, true), set_config('datestyle', 'ISO, YMD', true),
       set_config('intervalstyle', 'iso_8601', true), set_config('bytea_output', 'hex', true),
       set_config('fcst.source_query', %(query)s, true);

-- check_source_query
-- Opens the query of a source as a cursor, which fails unless it is one statement that returns rows.
DO $$DECLARE opened refcursor;
BEGIN
    OPEN opened FOR EXECUTE current_setting('fcst.source_query');
    CLOSE opened;
END$$;
