-- compare_items
-- A page of the forecasts of two runs by item, over the weeks that both forecast, each by one of its models; largest
-- difference first. n_items is the total number of items. An item that only one run has gets NULL for the other. Runs
-- whose weeks end on different days have no common weeks.
WITH runs AS (
    SELECT j.job_id, d.last_wk_end_dt, d.week_end, (j.spec ->> 'h')::integer AS h
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
    WHERE j.job_id IN (%(job_id)s, %(other_id)s)
), common AS (
    SELECT greatest(a.last_wk_end_dt, b.last_wk_end_dt) AS after,
           CASE WHEN a.week_end = b.week_end THEN least(a.last_wk_end_dt + 7 * a.h, b.last_wk_end_dt + 7 * b.h)
                END AS until
    FROM runs a CROSS JOIN runs b WHERE a.job_id = %(job_id)s AND b.job_id = %(other_id)s
), steps AS (
    SELECT r.job_id, s.first, s.last, s.first = 1 AND s.last = r.h AS is_whole
    FROM runs r CROSS JOIN common c
    CROSS JOIN LATERAL (
        SELECT (c.after - r.last_wk_end_dt) / 7 + 1 AS first, (c.until - r.last_wk_end_dt) / 7 AS last
    ) s
), ours AS (
    SELECT o.unique_id, u.forecast
    FROM fcst_app.forecast_sums o JOIN steps s USING (job_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.is_whole THEN o.forecast ELSE (
            SELECT sum(w.units) FROM fcst_app.forecasts f CROSS JOIN LATERAL unnest(f.forecast[s.first : s.last]) w (units)
            WHERE f.job_id = o.job_id AND f.unique_id = o.unique_id AND f.model = o.model) END AS forecast
    ) u
    WHERE o.job_id = %(job_id)s AND o.model = %(model)s AND u.forecast IS NOT NULL
), theirs AS (
    SELECT o.unique_id, u.forecast
    FROM fcst_app.forecast_sums o JOIN steps s USING (job_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.is_whole THEN o.forecast ELSE (
            SELECT sum(w.units) FROM fcst_app.forecasts f CROSS JOIN LATERAL unnest(f.forecast[s.first : s.last]) w (units)
            WHERE f.job_id = o.job_id AND f.unique_id = o.unique_id AND f.model = o.model) END AS forecast
    ) u
    WHERE o.job_id = %(other_id)s AND o.model = %(other_model)s AND u.forecast IS NOT NULL
)
SELECT p.unique_id, COALESCE(d.description, e.description) AS description, p.forecast, p.other, p.difference, p.change,
       p.n_weeks, p.n_items
FROM (
    SELECT unique_id, ours.forecast, theirs.forecast AS other, theirs.forecast - ours.forecast AS difference,
           theirs.forecast / NULLIF(ours.forecast, 0) - 1 AS change,
           greatest((SELECT (until - after) / 7 FROM common), 0) AS n_weeks, count(*) OVER ()::integer AS n_items
    FROM ours FULL JOIN theirs USING (unique_id)
    ORDER BY abs(theirs.forecast - ours.forecast) DESC NULLS LAST, unique_id
    LIMIT %(limit)s OFFSET %(skip)s
) p
LEFT JOIN fcst_app.items d ON d.unique_id = p.unique_id
    AND d.dataset_id = (SELECT dataset_id FROM fcst_app.jobs WHERE job_id = %(job_id)s)
LEFT JOIN fcst_app.items e ON e.unique_id = p.unique_id
    AND e.dataset_id = (SELECT dataset_id FROM fcst_app.jobs WHERE job_id = %(other_id)s)
ORDER BY abs(p.difference) DESC NULLS LAST, p.unique_id;

-- compared_with_actuals
-- Forecasts of two runs and the actuals, in weeks that both forecast and a newer dataset has: for each of some items,
-- or in total if none are given. Missing weeks are not counted.
SELECT CASE WHEN %(keys)s::text[] IS NULL THEN NULL ELSE o.unique_id END AS unique_id,
       count(DISTINCT o.unique_id) AS n_items, count(DISTINCT w.wk_end_dt) AS n_weeks, sum(w.y) AS sold,
       sum(w.ours) AS forecast, sum(w.theirs) AS other, sum(abs(w.y)) AS actual,
       sum(abs(w.ours - w.y)) AS abs_error, sum(w.ours - w.y) AS error,
       sum(abs(w.theirs - w.y)) AS other_abs_error, sum(w.theirs - w.y) AS other_error
FROM fcst_app.forecasts o
JOIN fcst_app.forecasts t ON t.job_id = %(other_id)s AND t.model = %(other_model)s AND t.unique_id = o.unique_id
                          AND mod(o.first_wk_end_dt - t.first_wk_end_dt, 7) = 0
JOIN fcst_app.sales n ON n.dataset_id = %(dataset_id)s AND n.unique_id = o.unique_id
CROSS JOIN LATERAL (
    SELECT o.first_wk_end_dt + 7 * (step - 1) AS wk_end_dt, o.forecast[step] AS ours,
           t.forecast[(o.first_wk_end_dt - t.first_wk_end_dt) / 7 + step] AS theirs,
           n.unit_sales[(o.first_wk_end_dt - n.first_wk_end_dt) / 7 + step] AS y
    FROM generate_subscripts(o.forecast, 1) step
) w
WHERE o.job_id = %(job_id)s AND o.model = %(model)s AND (o.unique_id = ANY (%(keys)s) OR %(keys)s::text[] IS NULL)
  AND w.ours IS NOT NULL AND w.theirs IS NOT NULL AND w.y IS NOT NULL
GROUP BY 1;

-- accuracy_by_lag
-- Final plans of earlier runs on datasets of one name, some weeks ahead, and the actuals in the newest version: the
-- newest run of each cutoff, over the items that this version has.
WITH newest AS (
    SELECT dataset_id, name, version, week_end, last_wk_end_dt FROM fcst_app.datasets
    WHERE name = %(name)s ORDER BY version DESC LIMIT 1
), runs AS (
    SELECT DISTINCT ON (d.last_wk_end_dt) j.job_id
    FROM newest n
    JOIN fcst_app.datasets d ON d.name = n.name AND d.week_end = n.week_end AND d.last_wk_end_dt < n.last_wk_end_dt
    JOIN fcst_app.jobs j ON j.dataset_id = d.dataset_id AND j.status = 'completed' AND j.spec -> 'models' ? %(model)s
    ORDER BY d.last_wk_end_dt, j.job_id DESC
)
SELECT l.lag, count(DISTINCT f.job_id)::integer AS n_runs, count(DISTINCT f.unique_id)::integer AS n_items,
       count(*)::integer AS n_weeks, sum(w.y) AS sold, sum(w.forecast) AS forecast,
       sum(abs(w.forecast - w.y)) AS abs_error, sum(w.forecast - w.y) AS error, sum(abs(w.y)) AS actual
FROM newest n
CROSS JOIN runs r
JOIN fcst_app.forecasts f ON f.job_id = r.job_id AND f.model = %(model)s
JOIN fcst_app.sales s ON s.dataset_id = n.dataset_id AND s.unique_id = f.unique_id
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
CROSS JOIN unnest(%(lags)s::integer[]) l (lag)
CROSS JOIN LATERAL (
    SELECT COALESCE(a.adjusted[l.lag], f.forecast[l.lag]) AS forecast, s.unit_sales[(f.first_wk_end_dt - s.first_wk_end_dt) / 7 + l.lag] AS y
) w
WHERE w.y IS NOT NULL AND w.forecast IS NOT NULL GROUP BY l.lag ORDER BY l.lag;

-- newer_dataset
-- The dataset of the same name with the most weeks after the end of a run's dataset.
SELECT n.dataset_id, n.name, n.version, n.last_wk_end_dt, n.include_promo
FROM fcst_app.jobs j
JOIN fcst_app.datasets d USING (dataset_id)
JOIN fcst_app.datasets n ON n.name = d.name AND n.last_wk_end_dt > d.last_wk_end_dt AND n.week_end = d.week_end
WHERE j.job_id = %(job_id)s ORDER BY n.last_wk_end_dt DESC, n.version DESC LIMIT 1;

-- accuracy_on_actuals
-- Totals of a run's forecasts, the actuals of a newer dataset, and the errors; the program inserts the coverage by
-- level. Missing weeks are not counted.
SELECT f.model, count(DISTINCT f.unique_id) AS n_items, count(DISTINCT w.wk_end_dt) AS n_weeks,
       sum(w.y) AS sold, sum(w.forecast) AS forecast, sum(abs(w.forecast - w.y)) AS abs_error,
       sum(w.forecast - w.y) AS error, sum(abs(w.y)) AS actual{levels}
FROM fcst_app.forecasts f
JOIN fcst_app.sales n ON n.dataset_id = %(dataset_id)s AND n.unique_id = f.unique_id
CROSS JOIN LATERAL (
    SELECT step, f.first_wk_end_dt + 7 * (step - 1) AS wk_end_dt, f.forecast[step] AS forecast,
           n.unit_sales[(f.first_wk_end_dt - n.first_wk_end_dt) / 7 + step] AS y
    FROM generate_subscripts(f.forecast, 1) step
) w
WHERE f.job_id = %(job_id)s AND w.y IS NOT NULL
GROUP BY f.model;

-- true_value_added
-- Errors of the naive forecast, the model and the adjusted plan against the actuals of a newer dataset, in adjusted
-- weeks and in all. Naive is the same week of the last known year, or otherwise the last known week.
WITH weeks AS (
    SELECT f.unique_id, w.y, w.adjusted IS NOT NULL AS is_adjusted, w.forecast,
           COALESCE(w.adjusted, w.forecast) AS adjusted, COALESCE(w.last_year, l.units) AS naive
    FROM fcst_app.forecasts f
    JOIN fcst_app.jobs j ON j.job_id = f.job_id
    JOIN fcst_app.sales n ON n.dataset_id = %(dataset_id)s AND n.unique_id = f.unique_id
    JOIN fcst_app.sales o ON o.dataset_id = j.dataset_id AND o.unique_id = f.unique_id
    LEFT JOIN LATERAL (
        SELECT k.units FROM unnest(o.unit_sales) WITH ORDINALITY k (units, n)
        WHERE k.units IS NOT NULL ORDER BY k.n DESC LIMIT 1
    ) l ON TRUE
    LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
    CROSS JOIN LATERAL (
        SELECT f.forecast[step] AS forecast, a.adjusted[step] AS adjusted,
               n.unit_sales[(f.first_wk_end_dt - n.first_wk_end_dt) / 7 + step] AS y,
               o.unit_sales[cardinality(o.unit_sales) + step - 52 * ((step + 51) / 52)] AS last_year
        FROM generate_subscripts(f.forecast, 1) step
    ) w
    WHERE f.job_id = %(job_id)s AND f.model = %(model)s AND w.y IS NOT NULL
)
SELECT s.is_adjusted_only, v.step, count(*) AS n_weeks, count(DISTINCT w.unique_id) AS n_items,
       sum(abs(v.units - w.y)) AS abs_error, sum(v.units - w.y) AS error, sum(abs(w.y)) AS actual
FROM weeks w
CROSS JOIN (VALUES (true), (false)) s (is_adjusted_only)
CROSS JOIN LATERAL (VALUES (1, 'naive', w.naive), (2, 'model', w.forecast), (3, 'adjusted', w.adjusted)) v (n, step, units)
WHERE w.naive IS NOT NULL AND (w.is_adjusted OR NOT s.is_adjusted_only)
GROUP BY s.is_adjusted_only, v.n, v.step ORDER BY s.is_adjusted_only DESC, v.n;
