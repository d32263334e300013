-- lock_published_dataset
-- Serializes the publishing of plans of one dataset name.
SELECT pg_advisory_xact_lock(hashtext('fcst_app.published_plans'), hashtext(%(dataset)s));

-- publish_plan
-- Publishes the plan of an ended run by one model: copies the forecasts and final plans of its completed items.
WITH planned AS MATERIALIZED (
    SELECT f.unique_id, f.first_wk_end_dt, f.forecast,
           CASE WHEN a.adjusted IS NULL THEN f.forecast ELSE ARRAY(
               SELECT coalesce(a.adjusted[step], f.forecast[step]) FROM generate_subscripts(f.forecast, 1) step
               ORDER BY step) END AS final
    FROM fcst_app.forecasts f
    JOIN fcst_app.job_items i ON i.job_id = f.job_id AND i.unique_id = f.unique_id AND i.outcome = 'completed'
    LEFT JOIN fcst_app.adjusted_forecasts a
        ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
    WHERE f.job_id = %(job_id)s AND f.model = %(model)s
), plan AS (
    INSERT INTO fcst_app.published_plans (dataset, job_id, run_no, model, first_wk_end_dt, h, n_items, forecast, final,
                                          published_by)
    SELECT %(dataset)s, %(job_id)s, %(job_id)s, %(model)s, min(first_wk_end_dt), max(cardinality(forecast)), count(*),
           sum((SELECT sum(units) FROM unnest(forecast) AS u (units))),
           sum((SELECT sum(units) FROM unnest(final) AS u (units))), %(published_by)s
    FROM planned HAVING count(*) > 0
    RETURNING plan_id
), copied AS (
    INSERT INTO fcst_app.published_items (plan_id, unique_id, forecast, final)
    SELECT p.plan_id, i.unique_id, i.forecast, i.final FROM plan p CROSS JOIN planned i
)
SELECT plan_id FROM plan;

-- list_published_plans
-- Published plans, newest first: all, or one, or those of a dataset name, or of a run. The newest of each name is current.
-- `n_changes_since` counts adjustments of its run and model that were made or undone since then.
SELECT p.plan_id, p.dataset, p.job_id, p.run_no, p.model, p.first_wk_end_dt, p.h, p.n_items, p.forecast, p.final,
       p.published_by, p.published_at,
       NOT EXISTS (SELECT FROM fcst_app.published_plans o WHERE o.dataset = p.dataset AND o.plan_id > p.plan_id)
           AS is_current,
       (SELECT count(*)::integer FROM fcst_app.adjustments a
        WHERE a.job_id = p.job_id AND a.model = p.model
          AND (a.made_at > p.published_at OR a.undone_at > p.published_at)) AS n_changes_since
FROM fcst_app.published_plans p
WHERE (p.dataset = %(dataset)s OR %(dataset)s::text IS NULL) AND (p.job_id = %(job_id)s OR %(job_id)s::integer IS NULL)
  AND (p.plan_id = %(plan_id)s OR %(plan_id)s::integer IS NULL)
ORDER BY p.plan_id DESC LIMIT %(limit)s;

-- get_published_plan
-- The dataset name of a published plan, locked.
SELECT dataset, run_no FROM fcst_app.published_plans WHERE plan_id = %(plan_id)s FOR UPDATE;

-- delete_published_plan
-- Deletes a published plan with its items.
DELETE FROM fcst_app.published_plans WHERE plan_id = %(plan_id)s;

-- copy_published_plan
-- A published plan as CSV, a row for each item and week; keys are escaped for spreadsheets.
COPY (
    SELECT {key} AS unique_id, w.wk_end_dt, w.forecast, w.final FROM fcst_app.published_weeks w
    WHERE w.plan_id = %(plan_id)s ORDER BY w.unique_id, w.step
) TO STDOUT (FORMAT csv, HEADER);

-- published_accuracy
-- Published plans of a dataset name against the actuals in its newest version, by weeks between plan and week: of all
-- weeks (wk_end_dt is NULL), and of each week. Of several plans with the same first week the newest counts. Items are
-- those that this version has.
WITH newest AS (
    SELECT dataset_id, week_end FROM fcst_app.datasets WHERE name = %(dataset)s ORDER BY version DESC LIMIT 1
), plans AS (
    SELECT DISTINCT ON (p.first_wk_end_dt) p.plan_id, p.first_wk_end_dt
    FROM fcst_app.published_plans p WHERE p.dataset = %(dataset)s
    ORDER BY p.first_wk_end_dt, p.plan_id DESC
)
SELECT l.lag, w.wk_end_dt, count(DISTINCT p.plan_id)::integer AS n_plans,
       count(DISTINCT i.unique_id)::integer AS n_items, count(*)::integer AS n_weeks, sum(w.y) AS sold,
       sum(i.final[l.lag]) AS planned, sum(abs(i.final[l.lag] - w.y)) AS abs_error, sum(i.final[l.lag] - w.y) AS error,
       sum(abs(w.y)) AS actual, sum(abs(i.forecast[l.lag] - w.y)) AS model_abs_error
FROM newest n
CROSS JOIN plans p
JOIN fcst_app.published_items i ON i.plan_id = p.plan_id
JOIN fcst_app.sales s ON s.dataset_id = n.dataset_id AND s.unique_id = i.unique_id
CROSS JOIN unnest(%(lags)s::integer[]) l (lag)
CROSS JOIN LATERAL (
    SELECT p.first_wk_end_dt + 7 * (l.lag - 1) AS wk_end_dt,
           CASE WHEN p.first_wk_end_dt >= s.first_wk_end_dt AND mod(p.first_wk_end_dt - s.first_wk_end_dt, 7) = 0
                THEN s.unit_sales[(p.first_wk_end_dt - s.first_wk_end_dt) / 7 + l.lag] END AS y
) w
WHERE w.y IS NOT NULL AND i.final[l.lag] IS NOT NULL
GROUP BY GROUPING SETS ((l.lag), (l.lag, w.wk_end_dt))
ORDER BY l.lag, w.wk_end_dt NULLS FIRST;
