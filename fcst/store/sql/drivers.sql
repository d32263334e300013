-- insert_driver_load
-- What one file or calendar tells, before its values.
INSERT INTO fcst_app.driver_loads (dataset_id, source, is_own, grouped_by, first_day, last_day, columns, report,
                                   created_by)
VALUES (%(dataset_id)s, %(source)s, %(is_own)s, %(grouped_by)s, %(first_day)s, %(last_day)s, %(columns)s, %(report)s,
        %(created_by)s)
RETURNING driver_load_id;

-- copy_driver_values
-- The values of a load, one row an item or group and driver, from a binary stream.
COPY fcst_app.driver_values (driver_load_id, key, name, first_wk_end_dt, values) FROM STDIN (FORMAT binary);

-- list_driver_loads
-- The loads of a dataset up to one of them, or all; the earliest first.
SELECT driver_load_id, dataset_id, source, is_own, grouped_by, first_day, last_day, columns, report, created_at,
       created_by
FROM fcst_app.driver_loads
WHERE dataset_id = %(dataset_id)s AND (driver_load_id <= %(upto)s OR %(upto)s::integer IS NULL)
ORDER BY driver_load_id;

-- list_plans_before
-- The loads that came to the version before, besides its own files.
SELECT driver_load_id FROM fcst_app.driver_loads
WHERE NOT is_own AND dataset_id = (
    SELECT dataset_id FROM fcst_app.datasets WHERE name = %(name)s AND dataset_id <> %(dataset_id)s
    ORDER BY version DESC LIMIT 1)
ORDER BY driver_load_id;

-- carry_driver_load
-- A load once more, for another dataset.
INSERT INTO fcst_app.driver_loads (dataset_id, source, is_own, grouped_by, first_day, last_day, columns, report,
                                   created_at, created_by)
SELECT %(dataset_id)s, source, is_own, grouped_by, first_day, last_day, columns, report, created_at, created_by
FROM fcst_app.driver_loads WHERE driver_load_id = %(driver_load_id)s
RETURNING driver_load_id;

-- carry_driver_values
-- The values of a load once more, for its copy.
INSERT INTO fcst_app.driver_values (driver_load_id, key, name, first_wk_end_dt, values)
SELECT %(to_load_id)s, key, name, first_wk_end_dt, values
FROM fcst_app.driver_values WHERE driver_load_id = %(driver_load_id)s;

-- delete_driver_load
-- A load that no run has used, with its values.
DELETE FROM fcst_app.driver_values WHERE driver_load_id = %(driver_load_id)s;
DELETE FROM fcst_app.driver_loads WHERE driver_load_id = %(driver_load_id)s;

-- list_driver_values
-- What some loads tell of some keys.
SELECT driver_load_id, key, name, first_wk_end_dt, values FROM fcst_app.driver_values
WHERE driver_load_id = ANY (%(load_ids)s) AND key = ANY (%(keys)s)
ORDER BY driver_load_id, key, name;

-- list_known_keys
-- Those of some keys that are an item's, a family's or a class's of a dataset.
SELECT DISTINCT k.key FROM unnest(%(keys)s::text[]) k (key)
JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s
 AND k.key = CASE %(grouped_by)s WHEN 'item' THEN d.unique_id WHEN 'family' THEN d.family ELSE d.class END;

-- count_runs_with_drivers
-- How many runs of a dataset were submitted with a load.
SELECT count(*)::integer AS n_jobs FROM fcst_app.jobs
WHERE dataset_id = %(dataset_id)s AND (spec ->> 'driver_load')::integer >= %(driver_load_id)s;
