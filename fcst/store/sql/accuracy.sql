-- accuracy_sums
-- Sums behind the accuracy metrics of a job's models, over all items or by a key that the program inserts, optionally
-- of some items only. Over the known weeks of all windows: sums of errors and actuals. Over items and windows: sums and
-- counts of the metrics that are means, where defined. By level, as arrays: weeks inside the interval, and widths. The
-- errors of the benchmarks are summed over the same items and windows as those of the model. NULL: undefined, or not
-- measured by the version that made the run. Items are counted in a separate subquery, because counting distinct items
-- with the sums would sort all rows.
SELECT s.*, c.n_items, c.n_fallback
FROM (
    SELECT m.model, ({key})::text COLLATE "C" AS key, count(*) AS n_windows, sum(m.n_weeks) AS n_weeks,
           count(*) FILTER (WHERE m.actual = 0) AS n_unsold,
           count(*) FILTER (WHERE m.mase IS NULL AND m.sq_error IS NOT NULL) AS n_unscaled,
           sum(m.actual) AS actual, sum(m.abs_error) AS abs_error, sum(m.error) AS error, sum(m.pinball) AS pinball,
           sum(m.actual) FILTER (WHERE m.pinball IS NOT NULL) AS pinball_actual,
           sum(m.smape) AS smape, count(m.smape) AS n_smape, sum(m.mase) AS mase, count(m.mase) AS n_mase,
           sum(m.rmsse) AS rmsse, count(m.rmsse) AS n_rmsse,
           sum(s.abs_error) AS seasonal_naive,
           sum(m.abs_error) FILTER (WHERE s.abs_error IS NOT NULL) AS beside_seasonal_naive,
           sum(n.abs_error) AS naive, sum(m.abs_error) FILTER (WHERE n.abs_error IS NOT NULL) AS beside_naive,
           ARRAY[{level_weeks}]::float8[] AS level_weeks, ARRAY[{covered}]::float8[] AS covered,
           ARRAY[{width}]::float8[] AS width, ARRAY[{msis}]::float8[] AS msis, ARRAY[{n_msis}]::float8[] AS n_msis
    FROM {rows} m {joined}
    LEFT JOIN {rows} s ON s.job_id = m.job_id AND s.unique_id = m.unique_id AND s.cutoff = m.cutoff
                                    AND s.model = 'SeasonalNaive'
    LEFT JOIN {rows} n ON n.job_id = m.job_id AND n.unique_id = m.unique_id AND n.cutoff = m.cutoff
                                    AND n.model = 'Naive'
    WHERE m.job_id = %(job_id)s {which}
    GROUP BY m.model, {key}
) s
JOIN (
    SELECT i.model, i.key, count(*) AS n_items, count(*) FILTER (WHERE i.is_fallback) AS n_fallback
    FROM (
        SELECT m.model, ({key})::text COLLATE "C" AS key, bool_or(m.is_fallback) AS is_fallback
        FROM {rows} m {joined}
        WHERE m.job_id = %(job_id)s {which} GROUP BY m.unique_id, m.model, {key}
    ) i
    GROUP BY i.model, i.key
) c ON (c.model, c.key IS NULL, COALESCE(c.key, '')) = (s.model, s.key IS NULL, COALESCE(s.key, ''));

-- horizon_sums
-- The same sums by step (weeks ahead), for metrics that are defined by week; computed from the backtests.
SELECT m.model, w.step::text AS key, count(*) AS n_weeks, sum(abs(w.forecast - w.y)) AS abs_error,
       sum(w.forecast - w.y) AS error, sum(abs(w.y)) AS actual,
       ARRAY[{level_weeks}]::float8[] AS level_weeks, ARRAY[{covered}]::float8[] AS covered
FROM fcst_app.backtests m
CROSS JOIN LATERAL unnest(m.y, m.forecast{bounds}) WITH ORDINALITY w (y, forecast{names}, step)
WHERE m.job_id = %(job_id)s AND w.y IS NOT NULL {which}
GROUP BY m.model, w.step;

-- stored_sums
-- The stored sums of a job's batches, except the given batches.
SELECT model, key, {numbers}, ARRAY[{level_weeks}]::float8[] AS level_weeks, ARRAY[{covered}]::float8[] AS covered,
       ARRAY[{width}]::float8[] AS width, ARRAY[{msis}]::float8[] AS msis, ARRAY[{n_msis}]::float8[] AS n_msis
FROM fcst_app.accuracy_sums
WHERE job_id = %(job_id)s AND grouped_by = %(by)s AND batch_id <> ALL (%(not_summed)s::bigint[])
GROUP BY model, key;

-- has_stored_sums
-- Whether any batch of a job has stored sums.
SELECT EXISTS (SELECT FROM fcst_app.accuracy_sums WHERE job_id = %(job_id)s) AS found;

-- list_items_not_summed
-- The completed items of batches without stored sums.
SELECT b.batch_id, i.unique_id FROM fcst_app.batch_status b JOIN fcst_app.job_items i USING (batch_id)
WHERE b.job_id = %(job_id)s AND NOT b.is_summed AND b.n_completed > 0 AND i.outcome = 'completed';

-- begin_sums_of_batch
-- Deletes the stored sums of a batch, marks it as summed, and returns its completed items.
DELETE FROM fcst_app.accuracy_sums WHERE batch_id = %(batch_id)s;
UPDATE fcst_app.batch_status SET is_summed = true WHERE batch_id = %(batch_id)s;
SELECT unique_id FROM fcst_app.job_items WHERE batch_id = %(batch_id)s AND outcome = 'completed';

-- without_nested_loops
-- Disables nested loops until the end of the transaction.
SET LOCAL enable_nestloop = off;

-- with_nested_loops
-- Restores the default.
SET LOCAL enable_nestloop TO DEFAULT;

-- store_sums
-- Stores the sums of a batch by each key; reads its rows once.
WITH own_metrics AS MATERIALIZED (
    SELECT job_id, unique_id, model, cutoff, is_fallback, n_weeks, abs_error, error, sq_error, actual, pinball, smape,
           mase, rmsse, coverage, mean_width, msis
    FROM fcst_app.metrics WHERE job_id = %(job_id)s AND unique_id = ANY (%(keys)s::text[])
), own_items AS MATERIALIZED (
    SELECT dataset_id, unique_id, family, demand_class
    FROM fcst_app.items WHERE dataset_id = %(dataset_id)s AND unique_id = ANY (%(keys)s::text[])
)
INSERT INTO fcst_app.accuracy_sums (job_id, batch_id, grouped_by, {columns})
{sums};

-- store_sums_by_key
-- The part of store_sums for one key.
SELECT %(job_id)s, %(batch_id)s, {by}, {columns} FROM ({sums}) s;

-- store_horizon_sums
-- Stores the sums of a batch by step.
INSERT INTO fcst_app.accuracy_sums (job_id, batch_id, grouped_by, {columns})
SELECT %(job_id)s, %(batch_id)s, 'horizon', {columns} FROM ({sums}) s;

-- rank_items
-- The items of a run with the largest error of one model in units, or with the largest gain over a benchmark; with
-- their descriptions.
SELECT e.unique_id, d.description, e.abs_error, e.gained
FROM (
    SELECT m.unique_id, sum(m.abs_error) AS abs_error,
           sum(s.abs_error) - sum(m.abs_error) FILTER (WHERE s.abs_error IS NOT NULL) AS gained
    FROM fcst_app.metrics m
    LEFT JOIN fcst_app.metrics s ON s.job_id = m.job_id AND s.unique_id = m.unique_id AND s.cutoff = m.cutoff
                                    AND s.model = %(yardstick)s
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s AND m.abs_error IS NOT NULL GROUP BY m.unique_id
) e
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = e.unique_id
WHERE %(is_worst)s OR e.gained > 0
ORDER BY CASE WHEN %(is_worst)s THEN e.abs_error ELSE e.gained END DESC, e.unique_id LIMIT %(limit)s;

-- range_of_errors
-- The number of items with a WAPE of one model, the lowest WAPE, and a quantile.
SELECT count(*)::integer AS n_items, min(e.wape)::float8 AS least,
       (percentile_cont(%(share)s) WITHIN GROUP (ORDER BY e.wape))::float8 AS most
FROM (
    SELECT sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape
    FROM fcst_app.metrics m
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s GROUP BY m.unique_id
) e
WHERE e.wape IS NOT NULL;

-- distribution_of_errors
-- Histogram of the WAPE of items by one model, from the first bin; one more bin takes all larger values. A value on a
-- bin's boundary belongs to the upper bin, despite rounding errors of the quotient.
SELECT least(floor(e.wape / %(width)s + 1e-9)::integer - %(first_bin)s, %(n_bins)s) AS bin, count(*)::integer AS n_items
FROM (
    SELECT sum(m.abs_error) / NULLIF(sum(m.actual), 0) AS wape
    FROM fcst_app.metrics m
    WHERE m.job_id = %(job_id)s AND m.model = %(model)s GROUP BY m.unique_id
) e
WHERE e.wape IS NOT NULL GROUP BY 1 ORDER BY 1;

-- candidates_of_auto
-- The candidates of Auto in a job: how often each had the largest weight, its share of the weight over all items, and
-- its own errors where measured.
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
-- Backtests of one model for some items of a run, for summing in the program: a number for the item, whose rows are
-- consecutive, the cutoff, actuals with NaN for missing weeks, and forecasts.
COPY (
    SELECT (dense_rank() OVER (ORDER BY b.unique_id))::integer, b.cutoff, array_replace(b.y, NULL, 'NaN'), b.forecast
    FROM fcst_app.backtests b
    WHERE b.job_id = %(job_id)s AND b.model = %(added_model)s {which} ORDER BY b.unique_id
) TO STDOUT (FORMAT binary);

-- item_provenance
-- The provenance of an item's forecasts.
SELECT provenance FROM fcst_app.job_items WHERE job_id = %(job_id)s AND unique_id = %(unique_id)s;
