-- insert_scenario
-- Inserts a scenario without changes, unless the run already has one with this name.
INSERT INTO fcst_app.scenarios (job_id, name, made_by) VALUES (%(job_id)s, %(name)s, %(made_by)s)
ON CONFLICT (job_id, name) DO NOTHING
RETURNING scenario_id;

-- copy_scenario_changes
-- Copies the changes of a scenario to its copy.
INSERT INTO fcst_app.scenario_changes (scenario_id, driver, first_wk_end_dt, last_wk_end_dt, how, value, scope, unique_ids,
                                       made_by, made_at)
SELECT %(scenario_id)s, driver, first_wk_end_dt, last_wk_end_dt, how, value, scope, unique_ids, made_by, made_at
FROM fcst_app.scenario_changes WHERE scenario_id = %(copy_of)s ORDER BY change_id;

-- copy_scenario_items
-- Copies the resulting items of a scenario to its copy.
INSERT INTO fcst_app.scenario_items (scenario_id, unique_id, uplift, factors)
SELECT %(scenario_id)s, unique_id, uplift, factors FROM fcst_app.scenario_items WHERE scenario_id = %(copy_of)s;

-- list_scenarios
-- The scenarios of a run, oldest first, with their changes; or one of them.
SELECT s.scenario_id, s.job_id, s.name, s.made_by, s.made_at, s.version, c.change_id, c.driver, c.first_wk_end_dt,
       c.last_wk_end_dt, c.how, c.value, c.scope, cardinality(c.unique_ids) AS n_items, c.made_by AS changed_by,
       c.made_at AS changed_at
FROM fcst_app.scenarios s LEFT JOIN fcst_app.scenario_changes c USING (scenario_id)
WHERE s.job_id = %(job_id)s AND (s.scenario_id = %(only)s OR %(only)s::integer IS NULL)
ORDER BY s.scenario_id, c.change_id;

-- last_scenario_change
-- Values that change whenever the scenarios of a run change.
SELECT count(*)::integer AS n, COALESCE(sum(version), 0)::bigint AS versions, COALESCE(max(scenario_id), 0) AS newest
FROM fcst_app.scenarios WHERE job_id = %(job_id)s;

-- delete_scenario
-- Deletes a scenario with all its data.
DELETE FROM fcst_app.scenarios WHERE scenario_id = %(scenario_id)s AND job_id = %(job_id)s;

-- next_scenario_version
-- Increments the version of a scenario, if it still has the expected version.
UPDATE fcst_app.scenarios SET version = version + 1 WHERE scenario_id = %(scenario_id)s AND version = %(version)s
RETURNING version;

-- keys_with_uplift
-- The items of a run that match and have driver effects.
SELECT f.unique_id FROM fcst_app.forecasts f
JOIN fcst_app.job_items i ON i.job_id = f.job_id AND i.unique_id = f.unique_id AND i.outcome = 'completed'
WHERE f.job_id = %(job_id)s AND f.model = %(changed_model)s AND f.uplift IS NOT NULL {which}
ORDER BY f.unique_id;

-- keys_of_scenario_change
-- The items of a scenario's change.
SELECT unique_ids FROM fcst_app.scenario_changes WHERE change_id = %(change_id)s AND scenario_id = %(scenario_id)s;

-- changes_of_items
-- The changes of a scenario that affect some items, with those items.
SELECT c.change_id, array_agg(k.unique_id) AS unique_ids
FROM fcst_app.scenario_changes c CROSS JOIN LATERAL unnest(c.unique_ids) k (unique_id)
WHERE c.scenario_id = %(scenario_id)s AND k.unique_id = ANY (%(unique_ids)s)
GROUP BY c.change_id ORDER BY c.change_id;

-- insert_scenario_change
-- Inserts a change, after its items were computed.
INSERT INTO fcst_app.scenario_changes (scenario_id, driver, first_wk_end_dt, last_wk_end_dt, how, value, scope, unique_ids,
                                       made_by)
VALUES (%(scenario_id)s, %(driver)s, %(first)s, %(last)s, %(how)s, %(value)s, %(scope)s, %(unique_ids)s, %(made_by)s);

-- delete_scenario_change
-- Deletes a change.
DELETE FROM fcst_app.scenario_changes WHERE change_id = %(change_id)s AND scenario_id = %(scenario_id)s;

-- delete_scenario_items
-- Deletes the resulting items of a scenario that are rewritten or no longer have changes.
DELETE FROM fcst_app.scenario_items WHERE scenario_id = %(scenario_id)s AND unique_id = ANY (%(unique_ids)s);

-- copy_scenario_rows
-- The resulting items of a scenario, from a binary stream.
COPY fcst_app.scenario_items (scenario_id, unique_id, uplift, factors) FROM STDIN (FORMAT binary);

-- scenario_weeks
-- The final plan of some items of a run by one model and week, and the plan in each of two scenarios; a scenario that
-- does not change an item leaves its plan unchanged. Other statements read from this one.
SELECT i.unique_id, i.sales_rank, w.n, f.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, w.plan, w.units1, w.units2
FROM fcst_app.job_items i
JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = %(planned_model)s
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
LEFT JOIN fcst_app.scenario_items s1 ON s1.scenario_id = %(scenario1)s AND s1.unique_id = i.unique_id
LEFT JOIN fcst_app.scenario_items s2 ON s2.scenario_id = %(scenario2)s AND s2.unique_id = i.unique_id
CROSS JOIN LATERAL (
    SELECT u.n, p.plan, COALESCE(p.plan * u.factor1, u.baseline * u.uplift1, p.plan) AS units1,
           COALESCE(p.plan * u.factor2, u.baseline * u.uplift2, p.plan) AS units2
    FROM unnest(f.forecast, f.baseline, a.adjusted, s1.uplift, s1.factors, s2.uplift, s2.factors)
        WITH ORDINALITY u (forecast, baseline, adjusted, uplift1, factor1, uplift2, factor2, n)
    CROSS JOIN LATERAL (SELECT COALESCE(u.adjusted, u.forecast) AS plan) p
) w
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which};

-- scenario_changes_items
-- Condition: one of the two scenarios changes the item.
AND (s1.unique_id IS NOT NULL OR s2.unique_id IS NOT NULL);

-- sum_scenarios
-- Units by which scenarios change the final plan of some items, by week.
SELECT w.wk_end_dt, sum(w.units1 - w.plan) AS change1, sum(w.units2 - w.plan) AS change2
FROM ({weeks}) w GROUP BY w.wk_end_dt ORDER BY w.wk_end_dt;

-- list_scenario_items
-- The items with the largest changes in scenarios: the final plan over all weeks, and the plan in each scenario.
SELECT c.unique_id, COALESCE(d.description, '') AS name, c.plan, c.units1, c.units2
FROM (
    SELECT w.unique_id, sum(w.plan) AS plan, sum(w.units1) AS units1, sum(w.units2) AS units2
    FROM ({weeks}) w GROUP BY w.unique_id
) c
LEFT JOIN fcst_app.items d ON d.dataset_id = %(planned_dataset)s AND d.unique_id = c.unique_id
ORDER BY greatest(abs(c.units1 - c.plan), abs(c.units2 - c.plan)) DESC, c.unique_id LIMIT %(limit)s;

-- export_scenarios
-- The final plan of some items of a run by week, and the plan in one or two scenarios. The program inserts the texts
-- and numbers.
SELECT {unique_id} AS unique_id, {name} AS name, w.wk_end_dt, {numbers}
FROM ({weeks}) w
LEFT JOIN fcst_app.items d ON d.dataset_id = %(planned_dataset)s AND d.unique_id = w.unique_id
ORDER BY w.sales_rank, w.n;

-- insert_items_of_scenario
-- Inserts a scenario as an adjustment: factors of weeks, or units where the run's uplift is 0 and cannot be scaled.
INSERT INTO fcst_app.adjustment_items (adjustment_id, unique_id, units, factors)
SELECT %(adjustment_id)s, s.unique_id, w.units[%(from_step)s : %(to_step)s], w.factors[%(from_step)s : %(to_step)s]
FROM fcst_app.scenario_items s
JOIN fcst_app.forecasts f ON f.job_id = %(job_id)s AND f.model = %(model)s AND f.unique_id = s.unique_id
CROSS JOIN LATERAL (
    SELECT array_agg(CASE WHEN u.factor IS NULL THEN u.baseline * u.uplift END ORDER BY u.n) AS units,
           array_agg(NULLIF(u.factor, 1) ORDER BY u.n) AS factors,
           bool_or(u.factor IS DISTINCT FROM 1) AS is_changed
    FROM unnest(f.baseline, s.uplift, s.factors) WITH ORDINALITY u (baseline, uplift, factor, n)
) w
WHERE s.scenario_id = %(scenario_id)s AND w.is_changed;

-- changed_steps
-- The first and last week, from 1, that a scenario changes; NULL if it changes none.
SELECT min(u.n)::integer AS from_step, max(u.n)::integer AS to_step
FROM fcst_app.scenario_items s CROSS JOIN LATERAL unnest(s.factors) WITH ORDINALITY u (factor, n)
WHERE s.scenario_id = %(scenario_id)s AND u.factor IS DISTINCT FROM 1;
