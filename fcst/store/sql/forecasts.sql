-- delete_item_forecasts
-- The rows of items that are about to be written: there are none, unless an item is written twice.
DELETE FROM fcst_app.forecasts WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);
DELETE FROM fcst_app.metrics WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);
DELETE FROM fcst_app.backtests WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);

-- copy_forecasts
-- Forecasts, from a binary stream.
COPY fcst_app.forecasts (job_id, unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by, heaviest, total,
                         sold, abs_error, error, actual, baseline, uplift)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- copy_metrics
-- Accuracy rows, from a binary stream.
COPY fcst_app.metrics (job_id, unique_id, model, cutoff, is_fallback, made_by, n_weeks, abs_error, error, sq_error,
                       actual, pinball, wape, bias, smape, mase, rmsse, scaled_crps, coverage, mean_width, msis)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- copy_backtests
-- Forecasts after earlier cutoffs with what came, from a binary stream.
COPY fcst_app.backtests (job_id, unique_id, model, cutoff, y, forecast, lo, hi)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- chosen_job_items
-- The items of a run that match, with a value to order them by. Other statements read from this one. A join that nothing
-- asks for costs nothing: each finds at most one row by a key, and Postgres leaves it out. What else is asked of an item
-- is looked up by its key, so that a plan is never bad, though the planner knows nothing of a new run.
SELECT i.unique_id, i.sales_rank, {value} AS value
FROM fcst_app.job_items i
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
LEFT JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = %(model)s
LEFT JOIN fcst_app.attention a ON a.job_id = i.job_id AND a.model = %(model)s AND a.unique_id = i.unique_id
LEFT JOIN fcst_app.reviews v ON v.job_id = i.job_id AND v.model = %(model)s AND v.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND {condition};

-- count_job_items
-- How many items of a run match, and the key of one of them.
SELECT count(*)::integer AS n_items, min(c.unique_id) AS unique_id FROM ({chosen}) c;

-- place_of_job_item
-- How many of the items of a run that match come before one of them.
SELECT (SELECT count(*)::integer FROM ({chosen}) o WHERE (o.value, o.sales_rank) < (c.value, c.sales_rank)) AS place
FROM ({chosen}) c WHERE c.unique_id = %(unique_id)s;

-- list_heaviest
-- The models that have the largest weight in forecasts of one model.
SELECT DISTINCT heaviest FROM fcst_app.forecasts WHERE job_id = %(job_id)s AND model = %(model)s ORDER BY 1;

-- list_job_items
-- A page of the items of a run that match, with what one model forecasts of them. Recent weeks end with the dataset.
WITH page AS (
    SELECT c.unique_id, c.sales_rank, c.value FROM ({chosen}) c
    ORDER BY c.value, c.sales_rank LIMIT %(limit)s OFFSET %(skip)s
)
SELECT i.unique_id, i.sales_rank, i.outcome, i.reason, d.family, d.class AS item_class, d.demand_class, d.description,
       d.n_weeks, d.last_sale_dt, NOT COALESCE(d.is_added, false) AS has_sales, s.recent_weeks, s.recent, a.last_year,
       f.total AS forecast, a.final, a.final / NULLIF(a.last_year, 0) - 1 AS change,
       f.abs_error / NULLIF(f.actual, 0) AS wape, f.error / NULLIF(f.actual, 0) AS bias, f.made_by, f.is_fallback,
       {reasons} AS reasons, {at_stake} AS at_stake, {abc} AS abc, {xyz} AS xyz, v.reviewed_by, v.reviewed_at
FROM page p
JOIN fcst_app.job_items i ON i.job_id = %(job_id)s AND i.unique_id = p.unique_id
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
LEFT JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = %(model)s
LEFT JOIN fcst_app.attention a ON a.job_id = i.job_id AND a.model = %(model)s AND a.unique_id = i.unique_id
LEFT JOIN fcst_app.reviews v ON v.job_id = i.job_id AND v.model = %(model)s AND v.unique_id = i.unique_id
LEFT JOIN LATERAL (
    SELECT array_agg(w.units ORDER BY w.n) FILTER (WHERE w.n > cardinality(o.unit_sales) - 52) AS recent_weeks,
           sum(w.units) FILTER (WHERE w.n > cardinality(o.unit_sales) - %(h)s) AS recent
    FROM fcst_app.sales o CROSS JOIN LATERAL unnest(o.unit_sales) WITH ORDINALITY w (units, n)
    WHERE o.dataset_id = %(dataset_id)s AND o.unique_id = i.unique_id
      AND w.n > cardinality(o.unit_sales) - greatest(52, %(h)s)
) s ON TRUE
ORDER BY p.value, p.sales_rank;

-- copy_forecasts_to_add_up
-- The forecasts and bounds of one model of some items of a run, to be added up by the program.
COPY (SELECT {columns} FROM fcst_app.forecasts f WHERE f.job_id = %(job_id)s AND f.model = %(added_model)s {which})
TO STDOUT (FORMAT binary);

-- sum_baselines
-- What one model forecasts of some items of a run without the effects of drivers, added up by week.
SELECT f.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, sum(w.units) AS baseline
FROM fcst_app.forecasts f
CROSS JOIN LATERAL unnest(COALESCE(f.baseline, f.forecast)) WITH ORDINALITY w (units, n)
WHERE f.job_id = %(job_id)s AND f.model = %(added_model)s {which}
GROUP BY 1 ORDER BY 1;

-- export_forecasts
-- The export form of a job's completed items, or of some of them. The program fills in the texts and the numbers.
SELECT {unique_id} AS unique_id, f.first_wk_end_dt + 7 * (s.step - 1) AS wk_end_dt, {model} AS model, {numbers},
       f.is_fallback::text, {made_by} AS made_by, {adjusted}{effects}
FROM fcst_app.job_items i
JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id
CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s (step)
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which}
ORDER BY i.sales_rank, f.model, s.step;

-- page_of_forecasts
-- The forecasts of some completed items of a job that match, the largest sellers first.
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
-- Those of some keys that are no items of a job.
SELECT k.unique_id FROM unnest(%(unique_ids)s::text[]) k (unique_id)
WHERE NOT EXISTS (SELECT 1 FROM fcst_app.job_items i WHERE i.job_id = %(job_id)s AND i.unique_id = k.unique_id);

-- sum_sold_since
-- What a newer dataset holds of some items of a run in the weeks that were forecast, added up by week.
SELECT %(first)s::date + 7 * (n - 1) AS wk_end_dt,
       sum(s.unit_sales[(%(first)s::date - s.first_wk_end_dt) / 7 + n]) AS unit_sales
FROM fcst_app.job_items i
JOIN fcst_app.sales s ON s.dataset_id = %(newer_id)s AND s.unique_id = i.unique_id
CROSS JOIN generate_series(1, %(h)s) n
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which}
GROUP BY n HAVING count(s.unit_sales[(%(first)s::date - s.first_wk_end_dt) / 7 + n]) > 0 ORDER BY n;

-- sum_earlier_plans
-- The final plans of some items of a run as the last earlier runs had them, by one model, added up by week.
SELECT f.job_id, f.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, sum(COALESCE(w.adjusted, w.forecast)) AS forecast
FROM fcst_app.jobs j
JOIN fcst_app.forecasts f ON f.job_id = ANY (j.earlier_job_ids[1 : %(n_runs)s]) AND f.model = %(earlier_model)s
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
CROSS JOIN LATERAL unnest(f.forecast, a.adjusted) WITH ORDINALITY w (forecast, adjusted, n)
WHERE j.job_id = %(job_id)s {which}
GROUP BY 1, 2 ORDER BY 1 DESC, 2;
