-- begin_transaction
-- Begins a transaction with fixed settings, so that statements behave the same under any defaults of the server,
-- database or role. The timeouts release the locks of frozen clients and detect lost ones.
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
