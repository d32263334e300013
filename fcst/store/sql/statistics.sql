-- analyze_dataset
-- What the planner knows of sales and items.
ANALYZE fcst_app.items, fcst_app.sales, fcst_app.driver_values;

-- analyze_job
-- What the planner knows of the items and batches of runs.
ANALYZE fcst_app.job_items, fcst_app.batch_status;

-- analyze_all
-- What the planner knows of every table that can be large.
ANALYZE fcst_app.items, fcst_app.sales, fcst_app.driver_values, fcst_app.job_items, fcst_app.batch_status,
        fcst_app.batch_events, fcst_app.forecasts, fcst_app.metrics, fcst_app.backtests, fcst_app.accuracy_sums,
        fcst_app.adjusted_forecasts, fcst_app.adjustment_items, fcst_app.forecast_sums;

-- data_size
-- Bytes of all tables with their indexes.
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS n_bytes
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'fcst_app' AND c.relkind = 'r';
