-- begin_transaction
-- What a server, a database or a role may have otherwise is set for the transaction: statements mean the same everywhere.
-- A frozen client may not hold what it has locked, and the server notices one that has vanished.
BEGIN;
SET LOCAL transaction_isolation = 'read committed';
SET LOCAL transaction_read_only = off;
SET LOCAL search_path = pg_catalog;
SET LOCAL standard_conforming_strings = on;
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = postgres;
SET LOCAL TimeZone = 'UTC';
SET LOCAL bytea_output = hex;
SET LOCAL extra_float_digits = 1;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = '8s';
SET LOCAL client_connection_check_interval = '2s';
