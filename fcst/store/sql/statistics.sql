-- analyze_dataset
-- Updates the planner statistics of sales and items.
ANALYZE fcst_app.items, fcst_app.sales, fcst_app.driver_values;

-- analyze_job
-- Updates the planner statistics of the items and batches of runs.
ANALYZE fcst_app.job_items, fcst_app.batch_status;

-- analyze_all
-- Updates the planner statistics of all tables that can be large.
ANALYZE fcst_app.items, fcst_app.sales, fcst_app.driver_values, fcst_app.job_items, fcst_app.batch_status,
        fcst_app.batch_events, fcst_app.forecasts, fcst_app.metrics, fcst_app.backtests, fcst_app.accuracy_sums,
        fcst_app.adjusted_forecasts, fcst_app.adjustment_items, fcst_app.forecast_sums;

-- data_size
-- Total bytes of all tables with their indexes.
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS n_bytes
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'fcst_app' AND c.relkind = 'r';

-- table_sizes
-- The bytes of each table without indexes, and its estimated number of rows.
SELECT c.relname AS name, pg_table_size(c.oid)::bigint AS n_bytes, greatest(c.reltuples, 1)::float8 AS n_rows
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'fcst_app' AND c.relkind = 'r' ORDER BY c.relname;

-- copied_now
-- The table that a pg_dump is reading, and the number of rows read.
SELECT c.relname AS name, p.tuples_processed AS n_rows
FROM pg_catalog.pg_stat_progress_copy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.relid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
WHERE n.nspname = 'fcst_app' AND a.application_name = 'pg_dump' AND p.datname = current_database()
ORDER BY a.backend_start DESC LIMIT 1;
