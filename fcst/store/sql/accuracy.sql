-- accuracy_by
-- The accuracy of a job's models, over all items or by a key that the program fills in, with metrics by level.
-- Errors are added up and divided by what was sold; scaled errors are means over items and windows where they are
-- defined. NULL is undefined, or was not measured by the version that made the run. Value added is against the errors of
-- a yardstick on the same items and windows.
SELECT m.model, {key} AS key,
       count(DISTINCT m.unique_id) AS n_items, count(*) AS n_windows, sum(m.n_weeks) AS n_weeks,
       count(DISTINCT m.unique_id) FILTER (WHERE m.is_fallback) AS n_fallback,
       count(*) FILTER (WHERE m.actual = 0) AS n_unsold,
       count(*) FILTER (WHERE m.mase IS NULL AND m.sq_error IS NOT NULL) AS n_unscaled,
       sum(m.actual) AS actual,
       sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape, sum(m.error) / NULLIF(sum(m.actual), 0) AS bias,
       avg(m.smape) AS smape, avg(m.mase) AS mase, avg(m.rmsse) AS rmsse,
       2 * sum(m.pinball) / NULLIF(sum(m.actual) FILTER (WHERE m.pinball IS NOT NULL), 0) AS scaled_crps{levels},
       1 - sum(m.abs_error) FILTER (WHERE s.model IS NOT NULL) / NULLIF(sum(s.abs_error), 0) AS fva_seasonal_naive,
       1 - sum(m.abs_error) FILTER (WHERE n.model IS NOT NULL) / NULLIF(sum(n.abs_error), 0) AS fva_naive
FROM fcst_app.metrics m
JOIN fcst_app.job_items i ON i.job_id = m.job_id AND i.unique_id = m.unique_id AND i.outcome = 'completed'
JOIN fcst_app.jobs j ON j.job_id = m.job_id
JOIN fcst_app.items d ON d.dataset_id = j.dataset_id AND d.unique_id = m.unique_id
LEFT JOIN fcst_app.metrics s ON s.job_id = m.job_id AND s.unique_id = m.unique_id AND s.cutoff = m.cutoff
                                AND s.model = 'SeasonalNaive'
LEFT JOIN fcst_app.metrics n ON n.job_id = m.job_id AND n.unique_id = m.unique_id AND n.cutoff = m.cutoff
                                AND n.model = 'Naive'
WHERE m.job_id = %(job_id)s {which}
GROUP BY m.model, {key} ORDER BY key NULLS LAST, wape NULLS LAST, m.model;

-- rank_items
-- The items of a run with the least or the largest error of one model; by how much they err first.
SELECT e.unique_id FROM (
    SELECT m.unique_id, sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape
    FROM fcst_app.metrics m
    JOIN fcst_app.job_items i ON i.job_id = m.job_id AND i.unique_id = m.unique_id AND i.outcome = 'completed'
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s GROUP BY m.unique_id
) e
WHERE e.wape IS NOT NULL ORDER BY e.wape * %(sign)s, e.unique_id LIMIT %(limit)s;

-- distribution_of_errors
-- How many items have an error of one model in each tenth, up to 190 percent and more; those without one are left out.
SELECT least(floor(e.wape * 10), 19)::integer AS tenth, count(*)::integer AS n_items FROM (
    SELECT sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape
    FROM fcst_app.metrics m
    JOIN fcst_app.job_items i ON i.job_id = m.job_id AND i.unique_id = m.unique_id AND i.outcome = 'completed'
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s GROUP BY m.unique_id
) e
WHERE e.wape IS NOT NULL GROUP BY 1 ORDER BY 1;

-- accuracy_by_horizon
-- The accuracy of a job's models by weeks ahead; the program fills in the coverage by level.
SELECT b.model, w.step, count(*) AS n_weeks,
       sum(abs(w.forecast - w.y)) / NULLIF(sum(abs(w.y)), 0) AS wape,
       sum(w.forecast - w.y) / NULLIF(sum(abs(w.y)), 0) AS bias{levels}
FROM fcst_app.backtests b
JOIN fcst_app.job_items i ON i.job_id = b.job_id AND i.unique_id = b.unique_id AND i.outcome = 'completed'
CROSS JOIN LATERAL unnest(b.y, b.forecast{bounds}) WITH ORDINALITY w (y, forecast{names}, step)
WHERE b.job_id = %(job_id)s AND w.y IS NOT NULL
GROUP BY b.model, w.step ORDER BY b.model, w.step;

-- candidates_of_auto
-- Of all models that Auto chose among in a job: how often it was the heaviest, its share of the weight over all items,
-- and how it would have done by itself where it could be measured.
SELECT c.model, count(*) AS n_items, count(*) FILTER (WHERE c.place = 1) AS n_first,
       sum(c.weight) / NULLIF((SELECT count(*) FROM fcst_app.job_items o WHERE o.job_id = %(job_id)s
                               AND o.provenance #> '{models,Auto,candidates,0}' IS NOT NULL), 0) AS share,
       sum(c.n_weeks) AS n_weeks,
       sum(c.abs_error) / NULLIF(sum(c.actual), 0) AS wape, sum(c.error) / NULLIF(sum(c.actual), 0) AS bias
FROM fcst_app.job_items i
CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(i.provenance #> '{models,Auto,candidates}')
    AS (model text, weight float8, n_weeks integer, abs_error float8, error float8, actual float8))
    WITH ORDINALITY c (model, weight, n_weeks, abs_error, error, actual, place)
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed'
GROUP BY c.model ORDER BY share DESC;

-- list_backtests
-- What one model said after earlier cutoffs, the latest first, added up over the given items or over all; an item without
-- a number in a week is not in it.
SELECT b.cutoff, b.cutoff + 7 * w.step::integer AS wk_end_dt, count(*) AS n_items, sum(w.y) AS y,
       sum(w.forecast) AS forecast
FROM fcst_app.backtests b
JOIN fcst_app.job_items i ON i.job_id = b.job_id AND i.unique_id = b.unique_id AND i.outcome = 'completed'
CROSS JOIN LATERAL unnest(b.y, b.forecast) WITH ORDINALITY w (y, forecast, step)
WHERE b.job_id = %(job_id)s AND b.model = %(model)s AND w.y IS NOT NULL {which}
GROUP BY b.cutoff, w.step ORDER BY b.cutoff DESC, w.step;

-- error_correlation
-- How much the items of a job err together, by the errors of one model in the windows: the excess of the squared error
-- of the sum over that of items that err by themselves, as a share of what it would be if all erred alike.
WITH sizes AS (
    SELECT unique_id, sum(sq_error) / sum(n_weeks) AS s2 FROM fcst_app.metrics
    WHERE job_id = %(job_id)s AND model = %(model)s GROUP BY unique_id
), weeks AS (
    SELECT b.cutoff, w.step, sum(w.forecast - w.y) AS error, sum(s.s2) AS apart, sum(sqrt(s.s2)) ^ 2 AS alike
    FROM fcst_app.backtests b
    JOIN fcst_app.job_items i ON i.job_id = b.job_id AND i.unique_id = b.unique_id AND i.outcome = 'completed'
    JOIN sizes s ON s.unique_id = b.unique_id
    CROSS JOIN LATERAL unnest(b.y, b.forecast) WITH ORDINALITY w (y, forecast, step)
    WHERE b.job_id = %(job_id)s AND b.model = %(model)s AND w.y IS NOT NULL GROUP BY b.cutoff, w.step
)
SELECT count(DISTINCT cutoff) AS n_windows, avg(error ^ 2 - apart) / NULLIF(avg(alike - apart), 0) AS correlation FROM weeks;

-- item_provenance
-- Where the forecasts of an item come from.
SELECT provenance FROM fcst_app.job_items WHERE job_id = %(job_id)s AND unique_id = %(unique_id)s;
