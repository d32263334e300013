-- lock_plan
-- Serializes changes of a run's plan, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('fcst_app.adjustments'), %(job_id)s);

-- plan_totals
-- The plan of some items of a run by one model, summed by week, with the number of items and their recent sales.
SELECT w.step, sum(w.units) AS units, count(*)::integer AS n_items, sum(s.sold) AS sold
FROM fcst_app.forecasts f
JOIN fcst_app.forecast_sums s ON s.job_id = f.job_id AND s.model = f.model AND s.unique_id = f.unique_id
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
CROSS JOIN LATERAL (
    SELECT u.n AS step, COALESCE(u.adjusted, u.forecast) AS units
    FROM unnest(f.forecast, a.adjusted) WITH ORDINALITY u (forecast, adjusted, n)
) w
WHERE f.job_id = %(job_id)s AND f.model = %(model)s {which}
GROUP BY w.step ORDER BY w.step;

-- unplanned_keys
-- The given keys without a forecast of the model in a run.
SELECT k.unique_id FROM unnest(%(unique_ids)s::text[]) k (unique_id)
WHERE NOT EXISTS (
    SELECT FROM fcst_app.job_items i JOIN fcst_app.forecasts f USING (job_id, unique_id)
    WHERE i.job_id = %(job_id)s AND i.unique_id = k.unique_id AND i.outcome = 'completed' AND f.model = %(model)s)
LIMIT 5;

-- insert_adjustment
-- Inserts an adjustment, before its items.
INSERT INTO fcst_app.adjustments (job_id, model, first_wk_end_dt, last_wk_end_dt, units, percent, scope, reason, made_by)
VALUES (%(job_id)s, %(model)s, %(first_wk_end_dt)s, %(last_wk_end_dt)s, %(units)s, %(percent)s, %(scope)s, %(reason)s,
        %(made_by)s)
RETURNING adjustment_id;

-- insert_items_by_factors
-- Inserts the same factors for all items that match; where units are distributed, also each item's share by its recent
-- sales.
INSERT INTO fcst_app.adjustment_items (adjustment_id, unique_id, units, factors)
SELECT %(adjustment_id)s, f.unique_id,
       CASE WHEN %(spread)s::float8[] IS NOT NULL THEN
           ARRAY(SELECT u.units * f.sold / %(sold)s FROM unnest(%(spread)s::float8[]) WITH ORDINALITY u (units, n)
                 ORDER BY u.n)
           END,
       %(factors)s::float8[]
FROM fcst_app.forecast_sums f WHERE f.job_id = %(job_id)s AND f.model = %(model)s {which};

-- insert_items_by_units
-- Inserts units by week for each item, given as JSON lists.
INSERT INTO fcst_app.adjustment_items (adjustment_id, unique_id, units)
SELECT %(adjustment_id)s, u.unique_id,
       ARRAY(SELECT NULLIF(w.units, 'null')::float8
             FROM jsonb_array_elements(u.units::jsonb) WITH ORDINALITY e (value, n)
             CROSS JOIN LATERAL (SELECT e.value::text AS units) w ORDER BY e.n)
FROM unnest(%(unique_ids)s::text[], %(units)s::text[]) u (unique_id, units);

-- count_adjusted_items
-- Stores the number of items of an adjustment.
UPDATE fcst_app.adjustments a
SET n_items = (SELECT count(*) FROM fcst_app.adjustment_items i WHERE i.adjustment_id = a.adjustment_id)
WHERE a.adjustment_id = %(adjustment_id)s
RETURNING n_items;

-- list_changes_since
-- Adjustments that were made or undone after a change number and overlap an adjustment in weeks and items, newest
-- first.
SELECT a.adjustment_id, a.scope, a.units, a.percent, a.made_by, a.undone_by, a.reason
FROM fcst_app.adjustments a
WHERE a.job_id = %(job_id)s AND a.model = %(model)s AND greatest(a.made_no, a.undone_no) > %(seen)s
  AND a.first_wk_end_dt <= %(last_wk_end_dt)s AND a.last_wk_end_dt >= %(first_wk_end_dt)s
  AND EXISTS (
      SELECT FROM fcst_app.adjustment_items o JOIN fcst_app.adjustment_items n USING (unique_id)
      WHERE o.adjustment_id = a.adjustment_id AND n.adjustment_id = %(adjustment_id)s)
  AND a.adjustment_id <> %(adjustment_id)s
ORDER BY greatest(a.made_no, a.undone_no) DESC LIMIT 5;

-- find_adjustment
-- The job and model of an adjustment.
SELECT job_id, model FROM fcst_app.adjustments WHERE adjustment_id = %(adjustment_id)s;

-- undo_adjustment
-- Marks an adjustment as undone; the first undo is kept.
UPDATE fcst_app.adjustments
SET undone_by = %(undone_by)s, undone_at = now(), undone_no = nextval('fcst_app.plan_changes')
WHERE adjustment_id = %(adjustment_id)s AND undone_at IS NULL;

-- list_carried
-- Active adjustments that a run carried over from earlier runs.
SELECT adjustment_id FROM fcst_app.adjustments
WHERE job_id = %(job_id)s AND model = %(model)s AND carried_from IS NOT NULL AND undone_at IS NULL
ORDER BY adjustment_id;

-- clear_adjusted
-- Deletes the adjusted forecasts of some items, before they are rewritten.
DELETE FROM fcst_app.adjusted_forecasts o
USING (SELECT DISTINCT a.model FROM fcst_app.adjustments a WHERE a.job_id = %(job_id)s) m
WHERE o.job_id = %(job_id)s AND o.model = m.model AND o.unique_id IN ({keys});

-- apply_adjustments
-- Writes the plan of some items after all active adjustments, in order: for each week, the units of the last adjustment
-- that sets them, times all later factors. The rows of the items must not exist.
WITH active AS MATERIALIZED (
    SELECT a.model, i.unique_id, a.adjustment_id, a.first_wk_end_dt, i.units, i.factors
    FROM fcst_app.adjustments a JOIN fcst_app.adjustment_items i USING (adjustment_id)
    WHERE a.job_id = %(job_id)s AND a.undone_at IS NULL AND i.unique_id IN ({keys})
), weeks AS (
    SELECT q.model, q.unique_id, q.adjustment_id, s.step, f.forecast[s.step] AS forecast, w.units, w.factor,
           cardinality(f.forecast) AS h
    FROM active q
    JOIN fcst_app.forecasts f ON f.job_id = %(job_id)s AND f.unique_id = q.unique_id AND f.model = q.model
    CROSS JOIN LATERAL unnest(q.units, q.factors) WITH ORDINALITY w (units, factor, n)
    CROSS JOIN LATERAL (SELECT ((q.first_wk_end_dt - f.first_wk_end_dt) / 7 + w.n)::integer AS step) s
    WHERE w.units IS NOT NULL OR w.factor IS NOT NULL
), after AS (
    SELECT w.*, COALESCE(max(w.adjustment_id) FILTER (WHERE w.units IS NOT NULL)
                             OVER (PARTITION BY w.model, w.unique_id, w.step), 0) AS set_by
    FROM weeks w
), folded AS (
    SELECT model, unique_id, step, max(h) AS h,
           COALESCE(max(units) FILTER (WHERE adjustment_id = set_by), max(forecast))
               * COALESCE(fcst_app.product(factor) FILTER (WHERE adjustment_id > set_by), 1) AS units
    FROM after GROUP BY model, unique_id, step
), plans AS (
    SELECT model, unique_id, max(h) AS h, array_agg(step ORDER BY step) AS steps, array_agg(units ORDER BY step) AS units
    FROM folded GROUP BY model, unique_id
)
INSERT INTO fcst_app.adjusted_forecasts (job_id, unique_id, model, adjusted)
SELECT %(job_id)s, p.unique_id, p.model,
       ARRAY(SELECT p.units[array_position(p.steps, s.step)] FROM generate_series(1, p.h) s (step) ORDER BY s.step)
FROM plans p;

-- largest_adjusted
-- The maximum units of an item in a week of the plan, over the items of an adjustment.
SELECT max(w.units) AS units
FROM fcst_app.adjustment_items i
JOIN fcst_app.adjusted_forecasts a ON a.job_id = %(job_id)s AND a.model = %(model)s AND a.unique_id = i.unique_id
CROSS JOIN LATERAL unnest(a.adjusted) w (units)
WHERE i.adjustment_id = %(adjustment_id)s;

-- list_adjustments
-- Adjustments of a run, of all items or of some, newest first; includes undone ones. For adjustments of one item,
-- unique_id is its key.
SELECT a.adjustment_id, a.model, a.scope, a.n_items, a.first_wk_end_dt, a.last_wk_end_dt, a.units, a.percent, a.reason,
       a.made_by, a.made_at, a.undone_by, a.undone_at, o.job_id AS carried_from,
       CASE WHEN a.n_items = 1 THEN (SELECT min(i.unique_id) FROM fcst_app.adjustment_items i
                                     WHERE i.adjustment_id = a.adjustment_id) END AS unique_id
FROM fcst_app.adjustments a
LEFT JOIN fcst_app.adjustments o ON o.adjustment_id = a.carried_from
WHERE a.job_id = %(job_id)s AND (a.model = %(model)s OR %(model)s = '') {which}
ORDER BY a.adjustment_id DESC LIMIT %(limit)s OFFSET %(skip)s;

-- of_items
-- Condition: the adjustment includes one of some items.
AND EXISTS (SELECT FROM fcst_app.adjustment_items i WHERE i.adjustment_id = a.adjustment_id {which});

-- count_adjustments
-- The number of the last change of a run's plan; 0 without changes.
SELECT COALESCE(max(greatest(made_no, undone_no)), 0) AS last_change FROM fcst_app.adjustments WHERE job_id = %(job_id)s;

-- adjusted_totals
-- By week, the units by which adjustments change a model's forecast of the given items, or of all; only adjusted weeks.
SELECT f.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, sum(w.adjusted - w.forecast) AS change
FROM fcst_app.adjusted_forecasts a
JOIN fcst_app.forecasts f ON f.job_id = a.job_id AND f.unique_id = a.unique_id AND f.model = a.model
CROSS JOIN LATERAL unnest(f.forecast, a.adjusted) WITH ORDINALITY w (forecast, adjusted, n)
WHERE a.job_id = %(job_id)s AND a.model = %(model)s AND w.adjusted IS NOT NULL {which}
GROUP BY 1 ORDER BY 1;

-- set_earlier_jobs
-- Stores the newest earlier runs on datasets of the same name that have completed items.
UPDATE fcst_app.jobs j SET earlier_job_ids = ARRAY(
    SELECT e.job_id FROM fcst_app.jobs e
    JOIN fcst_app.datasets o ON o.dataset_id = e.dataset_id
    JOIN fcst_app.datasets d ON d.dataset_id = j.dataset_id AND d.name = o.name AND d.week_end = o.week_end
    WHERE e.job_id < j.job_id AND o.last_wk_end_dt <= d.last_wk_end_dt
      AND EXISTS (SELECT FROM fcst_app.batch_status b WHERE b.job_id = e.job_id AND b.n_completed > 0)
    ORDER BY e.job_id DESC LIMIT 10)
WHERE j.job_id = %(job_id)s;

-- carry_adjustments
-- Copies adjustments of future weeks from earlier runs, for the items of this run: the active ones of the last run that
-- completed the item. Adjustments of a model that this run lacks go to its first model, if it was the first model of
-- the earlier run too.
WITH run AS (
    SELECT j.job_id, j.earlier_job_ids, d.last_wk_end_dt + 7 AS first, d.last_wk_end_dt + 7 * (j.spec ->> 'h')::integer AS last,
           ARRAY(SELECT jsonb_array_elements_text(j.spec -> 'models')) AS models
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id) WHERE j.job_id = %(job_id)s
), carried AS MATERIALIZED (
    SELECT a.*, CASE WHEN a.model = ANY (r.models) THEN a.model ELSE r.models[1] END AS new_model, i.unique_id,
           greatest((r.first - a.first_wk_end_dt) / 7, 0) + 1 AS from_n,
           (least(a.last_wk_end_dt, r.last) - a.first_wk_end_dt) / 7 + 1 AS to_n, i.units AS item_units, i.factors
    FROM run r
    JOIN fcst_app.adjustments a ON a.job_id = ANY (r.earlier_job_ids) AND a.undone_at IS NULL
        AND a.last_wk_end_dt >= r.first AND a.first_wk_end_dt <= r.last
    JOIN fcst_app.jobs o ON o.job_id = a.job_id AND (a.model = ANY (r.models) OR a.model = o.spec -> 'models' ->> 0)
    JOIN fcst_app.adjustment_items i USING (adjustment_id)
    WHERE EXISTS (SELECT FROM fcst_app.job_items n WHERE n.job_id = r.job_id AND n.unique_id = i.unique_id)
      AND a.job_id = (
          SELECT max(c.job_id) FROM fcst_app.job_items c
          WHERE c.job_id = ANY (r.earlier_job_ids) AND c.unique_id = i.unique_id AND c.outcome = 'completed')
), inserted AS (
    INSERT INTO fcst_app.adjustments (job_id, model, first_wk_end_dt, last_wk_end_dt, units, percent, scope, n_items,
                                      reason, made_by, made_at, carried_from)
    SELECT %(job_id)s, l.new_model, greatest(l.first_wk_end_dt, r.first), least(l.last_wk_end_dt, r.last), l.units,
           l.percent, l.scope, count(*), l.reason, l.made_by, l.made_at, l.adjustment_id
    FROM carried l CROSS JOIN run r
    GROUP BY l.adjustment_id, l.new_model, l.first_wk_end_dt, l.last_wk_end_dt, l.units, l.percent, l.scope, l.reason,
             l.made_by, l.made_at, r.first, r.last
    ORDER BY l.adjustment_id
    RETURNING adjustment_id, carried_from
)
INSERT INTO fcst_app.adjustment_items (adjustment_id, unique_id, units, factors)
SELECT m.adjustment_id, l.unique_id, l.item_units[l.from_n : l.to_n], l.factors[l.from_n : l.to_n]
FROM inserted m JOIN carried l ON l.adjustment_id = m.carried_from;
