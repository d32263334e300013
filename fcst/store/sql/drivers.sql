-- insert_driver_load
-- Inserts the load of one file or calendar, before its values.
INSERT INTO fcst_app.driver_loads (dataset_id, source, is_own, grouped_by, key_columns, first_day, last_day, columns,
                                   report, created_by)
VALUES (%(dataset_id)s, %(source)s, %(is_own)s, %(grouped_by)s, %(key_columns)s, %(first_day)s, %(last_day)s, %(columns)s, %(report)s,
        %(created_by)s)
RETURNING driver_load_id;

-- copy_driver_values
-- The values of a load, one row per driver and item or group, from a binary stream.
COPY fcst_app.driver_values (driver_load_id, key, name, first_wk_end_dt, values) FROM STDIN (FORMAT binary);

-- list_driver_loads
-- The loads of a dataset, oldest first: all, those up to one of them, or only one.
SELECT l.driver_load_id, l.dataset_id, l.source, l.is_own, l.grouped_by, l.key_columns,
       d.spec #> '{mapping,item}' AS item_columns, l.first_day, l.last_day, l.columns, l.report, l.created_at,
       l.created_by
FROM fcst_app.driver_loads l JOIN fcst_app.datasets d ON d.dataset_id = l.dataset_id
WHERE l.dataset_id = %(dataset_id)s AND (l.driver_load_id <= %(upto)s OR %(upto)s::integer IS NULL)
  AND (l.driver_load_id = %(only)s OR %(only)s::integer IS NULL)
ORDER BY l.driver_load_id;

-- list_plans_before
-- The loads of the previous version that did not come with its sales.
SELECT driver_load_id FROM fcst_app.driver_loads
WHERE NOT is_own AND dataset_id = (
    SELECT dataset_id FROM fcst_app.datasets WHERE name = %(name)s AND dataset_id <> %(dataset_id)s
    ORDER BY version DESC LIMIT 1)
ORDER BY driver_load_id;

-- carry_driver_load
-- Copies a load to another dataset.
INSERT INTO fcst_app.driver_loads (dataset_id, source, is_own, grouped_by, key_columns, first_day, last_day, columns,
                                   report, created_at, created_by)
SELECT %(dataset_id)s, source, is_own, grouped_by, key_columns, first_day, last_day, columns, report, created_at,
       created_by
FROM fcst_app.driver_loads WHERE driver_load_id = %(driver_load_id)s
RETURNING driver_load_id;

-- carry_driver_values
-- Copies the values of a load to its copy.
INSERT INTO fcst_app.driver_values (driver_load_id, key, name, first_wk_end_dt, values)
SELECT %(to_load_id)s, key, name, first_wk_end_dt, values
FROM fcst_app.driver_values WHERE driver_load_id = %(driver_load_id)s;

-- delete_driver_load
-- Deletes a load that no run has used, with its values.
DELETE FROM fcst_app.driver_values WHERE driver_load_id = %(driver_load_id)s;
DELETE FROM fcst_app.driver_loads WHERE driver_load_id = %(driver_load_id)s;

-- list_driver_values
-- The values of some loads for some keys.
SELECT driver_load_id, key, name, first_wk_end_dt, values FROM fcst_app.driver_values
WHERE driver_load_id = ANY (%(load_ids)s) AND key = ANY (%(keys)s)
ORDER BY driver_load_id, key, name;

-- list_known_keys
-- The given keys that match an item, a family or a class of a dataset.
SELECT DISTINCT k.key FROM unnest(%(keys)s::text[]) k (key)
JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s
 AND k.key = CASE %(grouped_by)s WHEN 'item' THEN d.unique_id WHEN 'family' THEN d.family ELSE d.class END;

-- list_known_parts
-- The given keys that match parts of item keys of a dataset; the parts are given by their positions, from 1.
SELECT k.key FROM unnest(%(keys)s::text[]) k (key)
WHERE k.key IN (
    SELECT array_to_string(ARRAY(
        SELECT p.parts[w.place] FROM unnest(%(places)s::integer[]) WITH ORDINALITY w (place, n) ORDER BY w.n), %(joint)s)
    FROM fcst_app.items d CROSS JOIN LATERAL string_to_array(d.unique_id, %(joint)s) p (parts)
    WHERE d.dataset_id = %(dataset_id)s AND cardinality(p.parts) = %(n_parts)s);

-- count_runs_with_drivers
-- Number of runs of a dataset that used a load.
SELECT count(*)::integer AS n_jobs FROM fcst_app.jobs
WHERE dataset_id = %(dataset_id)s AND (spec ->> 'driver_load')::integer >= %(driver_load_id)s;
