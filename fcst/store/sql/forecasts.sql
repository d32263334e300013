-- delete_item_forecasts
-- Deletes earlier rows of items before they are written; there are some only if an item is written twice.
DELETE FROM fcst_app.forecasts WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);
DELETE FROM fcst_app.metrics WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);
DELETE FROM fcst_app.backtests WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);

-- copy_forecasts
-- Forecasts, from a binary stream.
COPY fcst_app.forecasts (job_id, unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by, heaviest,
                         baseline, uplift)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- copy_metrics
-- Accuracy rows, from a binary stream.
COPY fcst_app.metrics (job_id, unique_id, model, cutoff, is_fallback, made_by, n_weeks, abs_error, error, sq_error,
                       actual, pinball, wape, bias, smape, mase, rmsse, scaled_crps, coverage, mean_width, msis)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- copy_backtests
-- Backtest forecasts with actuals, from a binary stream.
COPY fcst_app.backtests (job_id, unique_id, model, cutoff, y, forecast, lo, hi)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- rows_with_forecast
-- The items of a run with a forecast of one model, with their totals. Other statements read from this one.
SELECT s.unique_id, s.sales_rank, s.forecast, s.final, s.sold, s.last_year, s.known_last_year, s.down, s.up, s.abs_error,
       s.error, s.actual, COALESCE(s.reasons, '{}') AS reasons, COALESCE(s.at_stake, 0) AS at_stake
FROM fcst_app.forecast_sums s WHERE s.job_id = %(job_id)s AND s.model = %(model)s;

-- rows_without_forecast
-- The other items of a run, with their sales. Nothing is at stake for an item that has not ended. Each number is a
-- subquery of its own, so that unused numbers cost nothing.
SELECT i.unique_id, i.sales_rank, NULL::float8, NULL::float8, (SELECT l.sold FROM ({sold}) l),
       (SELECT l.last_year FROM ({sold}) l WHERE l.is_whole), (SELECT l.last_year FROM ({sold}) l),
       NULL::float8[], NULL::float8[], NULL::float8, NULL::float8, NULL::float8,
       CASE WHEN i.outcome IN ('failed', 'cancelled') THEN ARRAY['no forecast'] ELSE '{{}}' END,
       CASE WHEN i.outcome IN ('failed', 'cancelled') THEN COALESCE((SELECT l.sold FROM ({sold}) l), 0) ELSE 0 END
FROM fcst_app.job_items i
LEFT JOIN fcst_app.sales s ON s.dataset_id = %(dataset_id)s AND s.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND NOT EXISTS (
    SELECT FROM fcst_app.forecast_sums o WHERE o.job_id = %(job_id)s AND o.model = %(model)s AND o.unique_id = i.unique_id);

-- sold_lately
-- For an item with the sales s: units of the last h weeks, units of the same weeks a year before the next h weeks, and
-- whether none of these is missing. For horizons of 53 to 104 weeks, the first weeks count twice.
SELECT r.sold, y.units AS last_year, y.n_known = least({h}, 52) AS is_whole
FROM (SELECT sum(u.units) AS sold FROM unnest(s.unit_sales[cardinality(s.unit_sales) - {h} + 1 :]) u (units)) r
CROSS JOIN (
    SELECT sum(u.units * CASE WHEN u.n <= {h} - 52 THEN 2 ELSE 1 END) AS units, count(u.units) AS n_known
    FROM unnest(s.unit_sales[greatest(cardinality(s.unit_sales) - 51, 1)
                             : cardinality(s.unit_sales) - 52 + least({h}, 52)]) WITH ORDINALITY u (units, n)
) y;

-- joined_to_rows
-- Joins for sorting and filtering the items of a run. Each join finds at most one row by a key, so Postgres removes
-- unused ones.
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = p.unique_id
LEFT JOIN fcst_app.forecasts f ON f.job_id = %(job_id)s AND f.unique_id = p.unique_id AND f.model = %(model)s
LEFT JOIN fcst_app.reviews v ON v.job_id = %(job_id)s AND v.model = %(model)s AND v.unique_id = p.unique_id;

-- chosen_job_items
-- The items of a run that match, with a sort key. Other statements read from this one.
SELECT p.unique_id, p.sales_rank, {value} AS value, p.final, p.reasons
FROM ({rows}) p
{joined}
WHERE {condition};

-- count_job_items
-- Number of items of a run that match, and the key of one of them.
SELECT count(*)::integer AS n_items, min(c.unique_id) AS unique_id FROM ({chosen}) c;

-- place_of_job_item
-- The number of matching items of a run before a given item.
SELECT (SELECT count(*)::integer FROM ({chosen}) o WHERE (o.value, o.sales_rank) < (c.value, c.sales_rank)) AS place
FROM ({chosen}) c WHERE c.unique_id = %(unique_id)s;

-- list_heaviest
-- The models with the largest weight in any forecast of one model.
SELECT DISTINCT heaviest FROM fcst_app.forecasts WHERE job_id = %(job_id)s AND model = %(model)s ORDER BY 1;

-- list_job_items
-- A page of the items of a run that match, with the forecast of one model: selects the keys first, then reads the other
-- columns only for them; OFFSET 0 makes Postgres look up each of them. Recent weeks end with the dataset.
WITH page AS (
    SELECT c.unique_id, c.sales_rank, c.value FROM ({chosen}) c
    ORDER BY c.value, c.sales_rank LIMIT %(limit)s OFFSET %(skip)s
)
SELECT p.unique_id, p.sales_rank, i.outcome, i.reason, d.family, d.class AS item_class, d.demand_class, d.description,
       d.n_weeks, d.last_sale_dt, NOT COALESCE(d.is_added, false) AS has_sales,
       s.unit_sales[greatest(cardinality(s.unit_sales) - 51, 1) :] AS recent_weeks, p.sold AS recent, p.last_year,
       p.forecast, p.final, p.final / NULLIF(p.last_year, 0) - 1 AS change, p.abs_error / NULLIF(p.actual, 0) AS wape,
       p.error / NULLIF(p.actual, 0) AS bias, f.made_by, f.is_fallback, p.reasons, p.at_stake, {abc} AS abc, {xyz} AS xyz,
       v.reviewed_by, v.reviewed_at
FROM page g
CROSS JOIN LATERAL (
    SELECT r.unique_id, r.sales_rank, r.forecast, r.final, r.sold, r.last_year, r.abs_error, r.error, r.actual, r.reasons,
           r.at_stake
    FROM ({rows}) r WHERE r.unique_id = g.unique_id OFFSET 0
) p
JOIN fcst_app.job_items i ON i.job_id = %(job_id)s AND i.unique_id = p.unique_id
LEFT JOIN fcst_app.sales s ON s.dataset_id = %(dataset_id)s AND s.unique_id = p.unique_id
{joined}
ORDER BY g.value, g.sales_rank;

-- copy_forecasts_to_add_up
-- Forecasts and bounds of one model for some items of a run, for summing in the program.
COPY (SELECT {columns} FROM fcst_app.forecasts f WHERE f.job_id = %(job_id)s AND f.model = %(added_model)s {which})
TO STDOUT (FORMAT binary);

-- sum_baselines
-- Forecasts of one model without driver effects, for some items of a run, summed by week.
SELECT f.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, sum(w.units) AS baseline
FROM fcst_app.forecasts f
CROSS JOIN LATERAL unnest(COALESCE(f.baseline, f.forecast)) WITH ORDINALITY w (units, n)
WHERE f.job_id = %(job_id)s AND f.model = %(added_model)s {which}
GROUP BY 1 ORDER BY 1;

-- export_forecasts
-- The export of a job's completed items, or of some of them. The program inserts the columns.
SELECT {columns}
FROM fcst_app.job_items i
JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id
CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s (step)
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which}
ORDER BY i.sales_rank, f.model, s.step;

-- page_of_forecasts
-- The forecasts of a page of a job's completed items that match, largest sellers first.
WITH page AS (
    SELECT i.job_id, i.unique_id, i.sales_rank FROM fcst_app.job_items i
    WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' AND i.sales_rank > %(after)s {which}
    ORDER BY i.sales_rank LIMIT %(limit)s
)
SELECT p.unique_id, p.sales_rank, f.first_wk_end_dt + 7 * (s.step - 1) AS wk_end_dt, f.model,
       f.forecast[s.step] AS forecast,
       ARRAY(SELECT f.lo[i][s.step] FROM generate_subscripts(f.lo, 1) i ORDER BY i) AS lo,
       ARRAY(SELECT f.hi[i][s.step] FROM generate_subscripts(f.hi, 1) i ORDER BY i) AS hi, f.is_fallback, f.made_by,
       COALESCE(a.adjusted[s.step], f.forecast[s.step]) AS adjusted, f.baseline[s.step] AS baseline, f.uplift[s.step] AS uplift
FROM page p
JOIN fcst_app.forecasts f USING (job_id, unique_id)
CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s (step)
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
ORDER BY p.sales_rank, f.model, s.step;

-- unknown_job_items
-- The given keys that are not items of a job.
SELECT k.unique_id FROM unnest(%(unique_ids)s::text[]) k (unique_id)
WHERE NOT EXISTS (SELECT 1 FROM fcst_app.job_items i WHERE i.job_id = %(job_id)s AND i.unique_id = k.unique_id);

-- sum_later_actuals
-- Actuals of a newer dataset for some items of a run in the forecast weeks, summed by week.
SELECT %(first)s::date + 7 * (n - 1) AS wk_end_dt,
       sum(s.unit_sales[(%(first)s::date - s.first_wk_end_dt) / 7 + n]) AS unit_sales
FROM fcst_app.job_items i
JOIN fcst_app.sales s ON s.dataset_id = %(newer_id)s AND s.unique_id = i.unique_id
CROSS JOIN generate_series(1, %(h)s) n
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which}
GROUP BY n HAVING count(s.unit_sales[(%(first)s::date - s.first_wk_end_dt) / 7 + n]) > 0 ORDER BY n;

-- sum_earlier_plans
-- Final plans of the last earlier runs for some items of a run, by one model, summed by week.
SELECT f.job_id, f.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, sum(COALESCE(w.adjusted, w.forecast)) AS forecast
FROM fcst_app.jobs j
JOIN fcst_app.forecasts f ON f.job_id = ANY (j.earlier_job_ids[1 : %(n_runs)s]) AND f.model = %(earlier_model)s
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
CROSS JOIN LATERAL unnest(f.forecast, a.adjusted) WITH ORDINALITY w (forecast, adjusted, n)
WHERE j.job_id = %(job_id)s {which}
GROUP BY 1, 2 ORDER BY 1 DESC, 2;
