-- lock_forecast
-- The weeks that a model forecasts of a completed item; whoever else would change them waits.
SELECT i.unique_id, f.first_wk_end_dt, f.first_wk_end_dt + 7 * (cardinality(f.forecast) - 1) AS last_wk_end_dt
FROM fcst_app.job_items i
LEFT JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = %(model)s
WHERE i.job_id = %(job_id)s AND i.unique_id = %(unique_id)s AND i.outcome = 'completed'
FOR UPDATE OF i;

-- insert_adjustment
-- A change of some weeks.
INSERT INTO fcst_app.adjustments (job_id, unique_id, model, first_wk_end_dt, last_wk_end_dt, units, percent, reason,
                                  made_by)
VALUES (%(job_id)s, %(unique_id)s, %(model)s, %(first_wk_end_dt)s, %(last_wk_end_dt)s, %(units)s, %(percent)s,
        %(reason)s, %(made_by)s)
RETURNING adjustment_id;

-- find_adjustment
-- Which forecast a change is of.
SELECT job_id, unique_id, model FROM fcst_app.adjustments WHERE adjustment_id = %(adjustment_id)s;

-- undo_adjustment
-- A change does not hold any more; who said so first stays.
UPDATE fcst_app.adjustments SET undone_by = %(undone_by)s, undone_at = now()
WHERE adjustment_id = %(adjustment_id)s AND undone_at IS NULL;

-- clear_adjusted
-- The changed weeks of a forecast, which are about to be written anew.
DELETE FROM fcst_app.adjusted_forecasts
WHERE job_id = %(job_id)s AND unique_id = %(unique_id)s AND model = %(model)s;

-- apply_adjustments
-- The weeks of a forecast as they are after all changes that hold, in the order in which they were made.
WITH RECURSIVE held AS (
    SELECT row_number() OVER (ORDER BY adjustment_id) AS n, first_wk_end_dt, last_wk_end_dt, units, percent
    FROM fcst_app.adjustments
    WHERE job_id = %(job_id)s AND unique_id = %(unique_id)s AND model = %(model)s AND undone_at IS NULL
), steps AS (
    SELECT wk_end_dt, 0::bigint AS n, forecast AS adjusted, false AS is_changed
    FROM fcst_app.forecast_weeks WHERE job_id = %(job_id)s AND unique_id = %(unique_id)s AND model = %(model)s
    UNION ALL
    SELECT s.wk_end_dt, h.n,
           CASE WHEN w.is_in THEN COALESCE(h.units, s.adjusted * (1 + h.percent / 100)) ELSE s.adjusted END,
           s.is_changed OR w.is_in
    FROM steps s JOIN held h ON h.n = s.n + 1
    CROSS JOIN LATERAL (SELECT s.wk_end_dt BETWEEN h.first_wk_end_dt AND h.last_wk_end_dt AS is_in) w
)
INSERT INTO fcst_app.adjusted_forecasts (job_id, unique_id, model, wk_end_dt, adjusted)
SELECT %(job_id)s, %(unique_id)s, %(model)s, wk_end_dt, adjusted FROM steps
WHERE is_changed AND n = (SELECT count(*) FROM held);

-- list_adjustments
-- Changes of forecasts of a job, of some items or of all, the newest first; also those that are undone.
SELECT adjustment_id, unique_id, model, first_wk_end_dt, last_wk_end_dt, units, percent, reason, made_by, made_at,
       undone_by, undone_at
FROM fcst_app.adjustments
WHERE job_id = %(job_id)s {which} ORDER BY adjustment_id DESC;

-- count_adjustments
-- How often forecasts of a job were changed, and changed back.
SELECT count(*) + count(undone_at) AS n_changes FROM fcst_app.adjustments WHERE job_id = %(job_id)s;

-- adjusted_totals
-- By how many units a model's forecast of the given items, or of all, is changed, in the weeks in which it is.
SELECT a.wk_end_dt, sum(a.adjusted - f.forecast[(a.wk_end_dt - f.first_wk_end_dt) / 7 + 1]) AS change
FROM fcst_app.adjusted_forecasts a JOIN fcst_app.forecasts f USING (job_id, unique_id, model)
WHERE a.job_id = %(job_id)s AND a.model = %(model)s {which}
GROUP BY a.wk_end_dt ORDER BY a.wk_end_dt;
