-- stock_page
-- A page of the items of a run that match, largest sellers first: statistics of their weeks with sales, and the
-- forecast of one model with the bounds of the first level; NULL if the item has not completed.
WITH page AS (
    SELECT c.unique_id, c.sales_rank FROM ({chosen}) c WHERE c.sales_rank > %(after)s
    ORDER BY c.sales_rank LIMIT %(limit)s OFFSET %(skip)s
)
SELECT p.unique_id, p.sales_rank, d.family, d.class AS item_class, d.demand_class,
       greatest(d.total_units, 0) * d.adi / NULLIF(d.n_weeks - d.n_missing, 0) AS units_per_sale, d.cv2, d.adi, f.forecast,
       f.lo[1:1] AS lo, f.hi[1:1] AS hi
FROM page p
JOIN fcst_app.job_items i ON i.job_id = %(job_id)s AND i.unique_id = p.unique_id
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = p.unique_id
LEFT JOIN fcst_app.forecasts f ON i.outcome = 'completed' AND f.job_id = %(job_id)s AND f.unique_id = p.unique_id
    AND f.model = %(model)s
ORDER BY p.sales_rank;

-- changed_weeks
-- Adjusted weeks of some items: weeks ahead, and units.
SELECT a.unique_id, w.n::integer AS step, w.adjusted
FROM fcst_app.adjusted_forecasts a
CROSS JOIN LATERAL unnest(a.adjusted) WITH ORDINALITY w (adjusted, n)
WHERE a.job_id = %(job_id)s AND a.model = %(model)s AND a.unique_id = ANY (%(unique_ids)s) AND w.adjusted IS NOT NULL;

-- copy_backtests_of_classes
-- Backtests of one model for the completed items of a run, or for a random one in every N: number of the demand class,
-- statistics of the weeks with sales, actuals with NaN for missing weeks, forecasts, and bounds of the first level.
COPY (
    SELECT COALESCE(array_position(%(classes)s::text[], d.demand_class), 0),
           COALESCE(greatest(d.total_units, 0) * d.adi / NULLIF(d.n_weeks - d.n_missing, 0), 'NaN'),
           COALESCE(d.cv2, 'NaN'), COALESCE(d.adi, 'NaN'), array_replace(b.y, NULL, 'NaN'), b.forecast,
           b.lo[1:1], b.hi[1:1]
    FROM fcst_app.job_items i
    JOIN fcst_app.backtests b ON b.job_id = i.job_id AND b.unique_id = i.unique_id AND b.model = %(model)s
    LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
    WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' AND mod(hashtextextended(i.unique_id, 0), %(every)s) = 0
) TO STDOUT (FORMAT binary);

-- list_stock_settings
-- A page of the stock settings of a dataset's name: defaults first, then by group and key.
SELECT grouped_by, key_columns, key, lead_time_days, review_period_days, service_level, changed_at, changed_by
FROM fcst_app.stock_settings WHERE name = %(name)s
ORDER BY array_position(ARRAY['all', 'class', 'family', 'part', 'item'], grouped_by), key_columns, key
LIMIT %(limit)s OFFSET %(skip)s;

-- count_stock_settings
-- Number of groups and items with stock settings.
SELECT count(*)::integer AS n_found FROM fcst_app.stock_settings WHERE name = %(name)s;

-- list_stock_parts
-- The key columns of each kind of key part that has stock settings.
SELECT DISTINCT key_columns FROM fcst_app.stock_settings WHERE name = %(name)s AND grouped_by = 'part';

-- find_stock_settings
-- The stock settings of some groups and items.
SELECT s.grouped_by, s.key_columns, s.key, s.lead_time_days, s.review_period_days, s.service_level
FROM unnest(%(groups)s::text[], %(keys)s::text[]) g (grouped_by, key)
JOIN fcst_app.stock_settings s ON s.name = %(name)s AND s.grouped_by = g.grouped_by AND s.key = g.key COLLATE "C";

-- delete_stock_settings
-- Deletes the stock settings of some groups and items.
DELETE FROM fcst_app.stock_settings s USING jsonb_to_recordset(%(rows)s::jsonb)
    AS r (grouped_by text, key_columns text[], key text)
WHERE s.name = %(name)s AND s.grouped_by = r.grouped_by AND s.key_columns = r.key_columns AND s.key = r.key COLLATE "C";

-- insert_stock_settings
-- Inserts stock settings of groups and items from a JSON list.
INSERT INTO fcst_app.stock_settings (name, grouped_by, key_columns, key, lead_time_days, review_period_days,
                                     service_level, changed_by)
SELECT %(name)s, r.grouped_by, r.key_columns, r.key, r.lead_time_days, r.review_period_days, r.service_level,
       %(changed_by)s
FROM jsonb_to_recordset(%(rows)s::jsonb)
     AS r (grouped_by text, key_columns text[], key text, lead_time_days double precision,
           review_period_days double precision, service_level double precision);

-- delete_orphaned_stock_settings
-- Deletes the stock settings of a name without datasets.
DELETE FROM fcst_app.stock_settings WHERE name = %(name)s
    AND NOT EXISTS (SELECT FROM fcst_app.datasets d WHERE d.name = %(name)s);
