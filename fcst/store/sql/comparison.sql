-- compare_items
-- A page of what two runs forecast of each item in the weeks that both forecast, each by one of its models; the largest
-- difference first; n_items is how many items there are. An item that one of them does not have stands there without a
-- number. Weeks that end on different days are no weeks that both forecast.
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
    SELECT f.unique_id, u.forecast
    FROM fcst_app.forecasts f JOIN steps s USING (job_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.is_whole THEN f.total
                    ELSE (SELECT sum(w.units) FROM unnest(f.forecast[s.first : s.last]) w (units)) END AS forecast
    ) u
    WHERE f.job_id = %(job_id)s AND f.model = %(model)s AND u.forecast IS NOT NULL
), theirs AS (
    SELECT f.unique_id, u.forecast
    FROM fcst_app.forecasts f JOIN steps s USING (job_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.is_whole THEN f.total
                    ELSE (SELECT sum(w.units) FROM unnest(f.forecast[s.first : s.last]) w (units)) END AS forecast
    ) u
    WHERE f.job_id = %(other_id)s AND f.model = %(other_model)s AND u.forecast IS NOT NULL
)
SELECT unique_id, ours.forecast, theirs.forecast AS other, theirs.forecast - ours.forecast AS difference,
       theirs.forecast / NULLIF(ours.forecast, 0) - 1 AS change,
       greatest((SELECT (until - after) / 7 FROM common), 0) AS n_weeks, count(*) OVER ()::integer AS n_items
FROM ours FULL JOIN theirs USING (unique_id)
ORDER BY abs(theirs.forecast - ours.forecast) DESC NULLS LAST, unique_id
LIMIT %(limit)s OFFSET %(skip)s;

-- newer_dataset
-- The dataset of the same name that reaches furthest beyond a run's, if one does.
SELECT n.dataset_id, n.name, n.version, n.last_wk_end_dt, n.include_promo
FROM fcst_app.jobs j
JOIN fcst_app.datasets d USING (dataset_id)
JOIN fcst_app.datasets n ON n.name = d.name AND n.last_wk_end_dt > d.last_wk_end_dt AND n.week_end = d.week_end
WHERE j.job_id = %(job_id)s ORDER BY n.last_wk_end_dt DESC, n.version DESC LIMIT 1;

-- true_accuracy
-- What a run's forecasts, what a newer dataset holds of the weeks that they are for, and the errors add up to; coverage by
-- level is filled in by the program. A missing week is not counted.
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
-- The error of each step from a naive forecast by way of the model to the adjusted one, against what a newer dataset holds:
-- in the weeks that were adjusted, and in all. Naive is the same week of the last known year or else, where that is not
-- known, the last known week.
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
