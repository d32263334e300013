-- list_space
-- The bytes of tables with their indexes, as shares of dataset versions, runs and published plans by their numbers of
-- items, models and weeks; the rest is 'other'. Reads no rows of the large tables.
WITH sizes AS MATERIALIZED (
    SELECT c.relname AS name, pg_total_relation_size(c.oid)::float8 AS n_bytes
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'fcst_app' AND c.relkind = 'r'
), kinds AS MATERIALIZED (
    SELECT CASE
               WHEN name IN ('items', 'sales', 'sales_totals', 'attribute_values', 'driver_values') THEN 'dataset'
               WHEN name IN ('accuracy_sums', 'adjusted_forecasts', 'adjustment_items', 'backtests', 'batch_events',
                             'batch_status', 'forecast_sums', 'forecasts', 'job_items', 'learned', 'metrics', 'reviews',
                             'scenario_items') THEN 'run'
               WHEN name = 'published_items' THEN 'published plan'
               ELSE 'other'
           END AS kind, sum(n_bytes) AS n_bytes
    FROM sizes GROUP BY 1
), owners AS (
    SELECT 'dataset' AS kind, d.dataset_id AS id, d.name || ' version ' || d.version AS name,
           d.n_items::float8 * (d.n_weeks + 40) AS weight
    FROM fcst_app.datasets d
    UNION ALL
    SELECT 'run', j.job_id, 'run ' || j.job_id || ' of ' || d.name,
           j.n_items::float8 * jsonb_array_length(j.spec -> 'models')
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
    UNION ALL
    SELECT 'published plan', p.plan_id, 'plan ' || p.plan_id || ' of ' || p.dataset, p.n_items::float8 * (2 * p.h + 10)
    FROM fcst_app.published_plans p
)
SELECT o.kind, o.id, o.name, round(k.n_bytes * o.weight / sum(o.weight) OVER (PARTITION BY o.kind))::bigint AS n_bytes
FROM owners o JOIN kinds k USING (kind)
UNION ALL
SELECT 'other', NULL, CASE kind WHEN 'other' THEN 'other tables' ELSE 'empty tables of each ' || kind END, n_bytes::bigint
FROM kinds k WHERE kind = 'other' OR NOT EXISTS (SELECT FROM owners o WHERE o.kind = k.kind)
ORDER BY n_bytes DESC, name;
