-- delete_item_forecasts
-- The rows of items that are about to be written: there are none, unless an item is written twice.
DELETE FROM fcst_app.forecasts WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);
DELETE FROM fcst_app.metrics WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);
DELETE FROM fcst_app.backtests WHERE job_id = %(job_id)s AND unique_id = ANY (%(unique_ids)s);

-- copy_forecasts
-- Forecast rows, from a binary stream.
COPY fcst_app.forecasts (job_id, unique_id, model, wk_end_dt, forecast, lo, hi, is_fallback, made_by)
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

-- list_job_items
-- The items of a job with what one model says of them, the largest sellers first. Recent weeks end with the dataset;
-- change is to as many weeks as are forecast, where all of them are known.
-- Item by item, by index: fast also where the server has no statistics yet of what a run has just written.
SELECT i.unique_id, i.sales_rank, i.outcome, i.reason, d.family, d.class, d.demand_class, d.description, d.n_weeks,
       d.last_sale_dt, s.weeks AS recent_weeks, s.recent, f.forecast, CASE WHEN s.n_recent = (j.spec ->> 'h')::integer THEN f.forecast / NULLIF(s.recent, 0) - 1 END AS change,
       f.forecast + a.change AS adjusted, m.wape, m.bias, f.made_by, f.is_fallback
FROM fcst_app.job_items i
JOIN fcst_app.jobs j ON j.job_id = i.job_id
JOIN fcst_app.datasets t ON t.dataset_id = j.dataset_id
JOIN fcst_app.items d ON d.dataset_id = j.dataset_id AND d.unique_id = i.unique_id
LEFT JOIN LATERAL (
    SELECT array_agg(w.unit_sales ORDER BY w.wk_end_dt) AS weeks,
           sum(w.unit_sales) FILTER (WHERE w.wk_end_dt > t.last_wk_end_dt - 7 * (j.spec ->> 'h')::integer) AS recent,
           count(w.unit_sales) FILTER (WHERE w.wk_end_dt > t.last_wk_end_dt - 7 * (j.spec ->> 'h')::integer) AS n_recent
    FROM fcst_app.weekly_sales w
    WHERE w.dataset_id = j.dataset_id AND w.unique_id = i.unique_id
      AND w.wk_end_dt > t.last_wk_end_dt - 7 * greatest(52, (j.spec ->> 'h')::integer)
) s ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(o.forecast) AS forecast, max(o.made_by) AS made_by, bool_or(o.is_fallback) AS is_fallback
    FROM fcst_app.forecasts o WHERE o.job_id = i.job_id AND o.unique_id = i.unique_id AND o.model = %(model)s
) f ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(o.abs_error) / NULLIF(sum(o.actual), 0) AS wape, sum(o.error) / NULLIF(sum(o.actual), 0) AS bias
    FROM fcst_app.metrics o WHERE o.job_id = i.job_id AND o.unique_id = i.unique_id AND o.model = %(model)s
) m ON TRUE
LEFT JOIN (
    SELECT o.unique_id, sum(o.adjusted - p.forecast) AS change
    FROM fcst_app.adjusted_forecasts o JOIN fcst_app.forecasts p USING (job_id, unique_id, model, wk_end_dt)
    WHERE o.job_id = %(job_id)s AND o.model = %(model)s GROUP BY o.unique_id
) a ON a.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s ORDER BY i.sales_rank;

-- list_forecasts
-- What a model forecasts week by week, of the given items or of all together, without intervals.
SELECT wk_end_dt, sum(forecast) AS forecast FROM fcst_app.forecasts
WHERE job_id = %(job_id)s AND model = %(model)s AND (unique_id = ANY (%(unique_ids)s) OR %(unique_ids)s::text[] IS NULL)
GROUP BY wk_end_dt ORDER BY wk_end_dt;

-- total_forecasts
-- The forecasts of one model, added up over the given items or over all. The distances d of bounds from forecasts add up to
-- sqrt((1 - c) sum(d^2) + c sum(d)^2), where c is how much items err together.
WITH distances AS (
    SELECT f.wk_end_dt, b.i,
           sqrt((1 - %(correlation)s) * sum((f.forecast - b.lo) ^ 2) + %(correlation)s * sum(f.forecast - b.lo) ^ 2) AS down,
           sqrt((1 - %(correlation)s) * sum((b.hi - f.forecast) ^ 2) + %(correlation)s * sum(b.hi - f.forecast) ^ 2) AS up
    FROM fcst_app.forecasts f CROSS JOIN LATERAL unnest(f.lo, f.hi) WITH ORDINALITY b (lo, hi, i)
    WHERE f.job_id = %(job_id)s AND f.model = %(model)s
      AND (f.unique_id = ANY (%(unique_ids)s) OR %(unique_ids)s::text[] IS NULL)
    GROUP BY f.wk_end_dt, b.i
), sums AS (
    SELECT wk_end_dt, sum(forecast) AS forecast, count(*) AS n_items, count(*) FILTER (WHERE is_fallback) AS n_fallback,
           max(made_by) AS made_by
    FROM fcst_app.forecasts WHERE job_id = %(job_id)s AND model = %(model)s
      AND (unique_id = ANY (%(unique_ids)s) OR %(unique_ids)s::text[] IS NULL)
    GROUP BY wk_end_dt
)
SELECT s.wk_end_dt, s.forecast, s.n_items, s.n_fallback, s.made_by,
       ARRAY(SELECT greatest(s.forecast - d.down, 0) FROM distances d WHERE d.wk_end_dt = s.wk_end_dt ORDER BY d.i) AS lo,
       ARRAY(SELECT s.forecast + d.up FROM distances d WHERE d.wk_end_dt = s.wk_end_dt ORDER BY d.i) AS hi
FROM sums s ORDER BY s.wk_end_dt;

-- export_forecasts
-- The export form of a job's completed items, or of some of them. The program fills in the texts and the numbers.
SELECT {unique_id} AS unique_id, f.wk_end_dt, {model} AS model, {numbers}, f.is_fallback::text, {made_by} AS made_by,
       {adjusted}
FROM fcst_app.forecasts f
JOIN fcst_app.job_items i ON i.job_id = f.job_id AND i.unique_id = f.unique_id AND i.outcome = 'completed'
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.unique_id = f.unique_id AND a.model = f.model
    AND a.wk_end_dt = f.wk_end_dt
WHERE f.job_id = %(job_id)s AND (f.unique_id = ANY (%(unique_ids)s::text[]) OR %(unique_ids)s::text[] IS NULL)
ORDER BY i.sales_rank, f.model, f.wk_end_dt;

-- page_of_forecasts
-- The forecasts of some completed items of a job, the largest sellers first.
WITH page AS (
    SELECT job_id, unique_id, sales_rank FROM fcst_app.job_items
    WHERE job_id = %(job_id)s AND outcome = 'completed' AND sales_rank > %(after)s
      AND (unique_id = ANY (%(unique_ids)s) OR %(unique_ids)s::text[] IS NULL)
    ORDER BY sales_rank LIMIT %(limit)s
)
SELECT p.unique_id, p.sales_rank, f.wk_end_dt, f.model, f.forecast, f.lo, f.hi, f.is_fallback, f.made_by,
       COALESCE(a.adjusted, f.forecast) AS adjusted
FROM page p
JOIN fcst_app.forecasts f USING (job_id, unique_id)
LEFT JOIN fcst_app.adjusted_forecasts a USING (job_id, unique_id, model, wk_end_dt)
ORDER BY p.sales_rank, f.model, f.wk_end_dt;

-- unknown_job_items
-- Those of some keys that are no items of a job.
SELECT k.unique_id FROM unnest(%(unique_ids)s::text[]) k (unique_id)
WHERE NOT EXISTS (SELECT 1 FROM fcst_app.job_items i WHERE i.job_id = %(job_id)s AND i.unique_id = k.unique_id);
