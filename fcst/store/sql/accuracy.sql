-- accuracy_sums
-- What the accuracy of a job's models is made of, over all items or by a key that the program fills in: of the known
-- weeks of all windows the sums of errors and of what was sold, and the means of what is a mean over items and windows,
-- or over weeks, where it is defined; the program fills in those by level. The errors of a yardstick are summed up beside
-- those of the model on the same items and windows. NULL is undefined, or was not measured by the version that made the
-- run.
SELECT m.model, {key} AS key, count(*) AS n_windows, sum(m.n_weeks) AS n_weeks,
       count(*) FILTER (WHERE m.actual = 0) AS n_unsold,
       count(*) FILTER (WHERE m.mase IS NULL AND m.sq_error IS NOT NULL) AS n_unscaled,
       sum(m.actual) AS actual, sum(m.abs_error) AS abs_error, sum(m.error) AS error, sum(m.pinball) AS pinball,
       sum(m.actual) FILTER (WHERE m.pinball IS NOT NULL) AS pinball_actual,
       avg(m.smape) AS smape, avg(m.mase) AS mase, avg(m.rmsse) AS rmsse{levels},
       sum(m.abs_error) FILTER (WHERE s.abs_error IS NOT NULL) AS beside_seasonal_naive,
       sum(s.abs_error) AS seasonal_naive,
       sum(m.abs_error) FILTER (WHERE n.abs_error IS NOT NULL) AS beside_naive, sum(n.abs_error) AS naive
FROM fcst_app.metrics m{joined}
LEFT JOIN fcst_app.metrics s ON s.job_id = m.job_id AND s.unique_id = m.unique_id AND s.cutoff = m.cutoff
                                AND s.model = 'SeasonalNaive'
LEFT JOIN fcst_app.metrics n ON n.job_id = m.job_id AND n.unique_id = m.unique_id AND n.cutoff = m.cutoff
                                AND n.model = 'Naive'
WHERE m.job_id = %(job_id)s {which}
GROUP BY m.model, {key} ORDER BY key NULLS LAST, m.model;

-- count_measured
-- How many items the accuracy of a job's models is over, all or by a key, and for how many a simpler model was used in
-- some window. Apart from the sums, for to count distinct items among them would sort all their rows.
SELECT i.model, i.key, count(*) AS n_items, count(*) FILTER (WHERE i.is_fallback) AS n_fallback
FROM (
    SELECT m.model, {key} AS key, bool_or(m.is_fallback) AS is_fallback
    FROM fcst_app.metrics m{joined}
    WHERE m.job_id = %(job_id)s {which} GROUP BY m.unique_id, m.model, {key}
) i
GROUP BY i.model, i.key;

-- rank_items
-- The items of a run with the least or the largest error of one model; by how much they err first.
SELECT e.unique_id FROM (
    SELECT m.unique_id, sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape
    FROM fcst_app.metrics m
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s GROUP BY m.unique_id
) e
WHERE e.wape IS NOT NULL ORDER BY e.wape * %(sign)s, e.unique_id LIMIT %(limit)s;

-- distribution_of_errors
-- How many items have an error of one model in each tenth, up to 190 percent and more; those without one are left out.
SELECT least(floor(e.wape * 10), 19)::integer AS tenth, count(*)::integer AS n_items FROM (
    SELECT sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape
    FROM fcst_app.metrics m
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s GROUP BY m.unique_id
) e
WHERE e.wape IS NOT NULL GROUP BY 1 ORDER BY 1;

-- sums_by_horizon
-- The errors of a job's models by weeks ahead, and what was sold, over the known weeks; the program fills in the coverage
-- by level.
SELECT b.model, w.step, count(*) AS n_weeks, sum(abs(w.forecast - w.y)) AS abs_error, sum(w.forecast - w.y) AS error,
       sum(abs(w.y)) AS actual{levels}
FROM fcst_app.backtests b
CROSS JOIN LATERAL unnest(b.y, b.forecast{bounds}) WITH ORDINALITY w (y, forecast{names}, step)
WHERE b.job_id = %(job_id)s AND w.y IS NOT NULL
GROUP BY b.model, w.step ORDER BY b.model, w.step;

-- candidates_of_auto
-- Of all models that Auto chose among in a job: how often it was the heaviest, its share of the weight over all items,
-- and its own errors where it could be measured.
SELECT c.model, count(*) AS n_items, count(*) FILTER (WHERE c.place = 1) AS n_first,
       sum(c.weight) / NULLIF((SELECT count(*) FROM fcst_app.job_items o WHERE o.job_id = %(job_id)s
                               AND o.provenance #> '{models,Auto,candidates,0}' IS NOT NULL), 0) AS share,
       sum(c.n_weeks) AS n_weeks, sum(c.abs_error) AS abs_error, sum(c.error) AS error, sum(c.actual) AS actual
FROM fcst_app.job_items i
CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(i.provenance #> '{models,Auto,candidates}')
    AS (model text, weight float8, n_weeks integer, abs_error float8, error float8, actual float8))
    WITH ORDINALITY c (model, weight, n_weeks, abs_error, error, actual, place)
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed'
GROUP BY c.model ORDER BY share DESC;

-- copy_backtests_to_add_up
-- What one model said after earlier cutoffs of some items of a run, to be added up by the program: a number for the item,
-- whose rows follow each other, the cutoff, actuals with NaN for a missing week, forecasts.
COPY (
    SELECT (dense_rank() OVER (ORDER BY b.unique_id))::integer, b.cutoff, array_replace(b.y, NULL, 'NaN'), b.forecast
    FROM fcst_app.backtests b
    WHERE b.job_id = %(job_id)s AND b.model = %(added_model)s {which} ORDER BY b.unique_id
) TO STDOUT (FORMAT binary);

-- item_provenance
-- Where the forecasts of an item come from.
SELECT provenance FROM fcst_app.job_items WHERE job_id = %(job_id)s AND unique_id = %(unique_id)s;
