-- insert_attributes
-- Inserts attributes of a dataset from a JSON list, in its order.
INSERT INTO fcst_app.known_attributes (dataset_id, name, place, source, keyed_by, is_own, n_items, n_values, values, created_by)
SELECT %(dataset_id)s, r.value ->> 'name', r.place,
       r.value ->> 'source', ARRAY(SELECT jsonb_array_elements_text(r.value -> 'keyed_by')),
       (r.value ->> 'is_own')::boolean, (r.value ->> 'n_items')::integer, (r.value ->> 'n_values')::integer,
       ARRAY(SELECT jsonb_array_elements_text(r.value -> 'values')), %(created_by)s
FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY r (value, place);

-- list_attributes
-- The attributes of a dataset, in order.
SELECT name, source, keyed_by, is_own, n_items, n_values, values
FROM fcst_app.known_attributes WHERE dataset_id = %(dataset_id)s ORDER BY NOT is_own, place, name;

-- describe_added_items
-- Sets the attributes of items that were added for lifecycles: the parts of their keys; attributes that depend on one
-- key part, from an item with the same part; all others from their first source item.
WITH names AS (
    SELECT name, row_number() OVER (ORDER BY place) AS place, count(*) OVER () AS n_parts
    FROM fcst_app.known_attributes WHERE dataset_id = %(dataset_id)s AND source = 'key' AND is_own
), decided AS (
    SELECT keyed_by[1] AS by, array_agg(name) AS names
    FROM fcst_app.known_attributes WHERE dataset_id = %(dataset_id)s AND is_own AND cardinality(keyed_by) = 1 GROUP BY keyed_by[1]
), added AS (
    SELECT i.unique_id, s.attributes AS of_source, COALESCE(p.parts, '{}') AS parts
    FROM fcst_app.items i
    JOIN fcst_app.lifecycles l ON l.dataset_id = i.dataset_id AND l.unique_id = i.unique_id AND l.until IS NULL
    CROSS JOIN LATERAL (
        SELECT d.attributes FROM fcst_app.items d WHERE d.dataset_id = i.dataset_id AND d.unique_id = ANY (l.sources)
        ORDER BY array_position(l.sources, d.unique_id) LIMIT 1
    ) s
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(n.name, k.part) AS parts
        FROM unnest(string_to_array(i.unique_id, %(joint)s)) WITH ORDINALITY k (part, place) JOIN names n USING (place)
        WHERE n.n_parts = cardinality(string_to_array(i.unique_id, %(joint)s))
    ) p
    WHERE i.dataset_id = %(dataset_id)s AND i.is_added AND i.attributes = '{}'
), shared AS (
    SELECT f.unique_id, jsonb_object_agg(e.key, e.value) AS attributes
    FROM (
        SELECT DISTINCT ON (a.unique_id, c.by) a.unique_id, c.names, d.attributes
        FROM added a CROSS JOIN decided c
        JOIN fcst_app.items d ON d.attributes ->> c.by = a.parts ->> c.by
        WHERE d.dataset_id = %(dataset_id)s AND NOT d.is_added ORDER BY a.unique_id, c.by, d.sales_rank
    ) f CROSS JOIN LATERAL jsonb_each(f.attributes) e
    WHERE e.key = ANY (f.names) GROUP BY f.unique_id
)
UPDATE fcst_app.items i
SET attributes = (a.of_source - ARRAY(SELECT name FROM names)
                  - ARRAY(SELECT name FROM fcst_app.known_attributes WHERE dataset_id = %(dataset_id)s AND (keyed_by <> '{}' OR NOT is_own)))
                 || COALESCE(s.attributes, '{}') || a.parts
FROM added a LEFT JOIN shared s USING (unique_id)
WHERE i.dataset_id = %(dataset_id)s AND i.unique_id = a.unique_id;

-- next_attribute_change
-- Increments the change number of a dataset's attributes and locks its row.
UPDATE fcst_app.datasets SET attribute_change = attribute_change + 1 WHERE dataset_id = %(dataset_id)s
RETURNING attribute_change;

-- save_attribute_values
-- Saves attribute values from a JSON list, replacing those of the same keys; NULL deletes a value.
WITH given AS (
    SELECT r.name, r.key, r.value FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (name text, key text[], value text)
), deleted AS (
    DELETE FROM fcst_app.attribute_values v USING given g
    WHERE v.dataset_id = %(dataset_id)s AND v.name = g.name AND v.key = g.key AND g.value IS NULL
)
INSERT INTO fcst_app.attribute_values (dataset_id, name, key, value)
SELECT %(dataset_id)s, g.name, g.key, g.value FROM given g WHERE g.value IS NOT NULL
ON CONFLICT (dataset_id, name, key) DO UPDATE SET value = EXCLUDED.value;

-- apply_attribute_values
-- Sets the values of some attributes with the same key columns for all items of a dataset. The program inserts the key.
UPDATE fcst_app.items i SET attributes = n.attributes
FROM (
    SELECT d.unique_id, (d.attributes - %(names)s::text[]) || COALESCE(v.own, jsonb_build_object()) AS attributes
    FROM fcst_app.items d
    LEFT JOIN (
        SELECT a.key, jsonb_object_agg(a.name, a.value) AS own FROM fcst_app.attribute_values a
        WHERE a.dataset_id = %(dataset_id)s AND a.name = ANY (%(names)s::text[]) GROUP BY a.key
    ) v ON v.key = {key}
    WHERE d.dataset_id = %(dataset_id)s
) n
WHERE i.dataset_id = %(dataset_id)s AND i.unique_id = n.unique_id AND i.attributes <> n.attributes;

-- list_unknown_keys
-- The given keys that match no item. The program inserts the key of an item.
SELECT g.key FROM (
    SELECT DISTINCT r.key FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (key text[])
) g
WHERE NOT EXISTS (SELECT FROM fcst_app.items d WHERE d.dataset_id = %(dataset_id)s AND {key} = g.key)
ORDER BY g.key;

-- count_items_with
-- Number of items of a dataset with a value of any of some attributes.
SELECT count(*)::integer AS n_items FROM fcst_app.items
WHERE dataset_id = %(dataset_id)s AND attributes ?| %(names)s::text[];

-- update_attribute_definitions
-- Updates the definitions and counts of some loaded attributes; deletes attributes without values.
DELETE FROM fcst_app.known_attributes k
WHERE k.dataset_id = %(dataset_id)s AND k.name = ANY (%(names)s::text[]) AND NOT EXISTS (
    SELECT FROM fcst_app.attribute_values v WHERE v.dataset_id = k.dataset_id AND v.name = k.name);
INSERT INTO fcst_app.known_attributes AS k (dataset_id, name, place, source, keyed_by, is_own, n_items, n_values, values,
                                            created_by)
SELECT %(dataset_id)s, n.name, n.place, %(source)s, %(keyed_by)s::text[], false, COALESCE(sum(c.n), 0), count(c.value),
       COALESCE((array_agg(c.value ORDER BY c.n DESC, c.value) FILTER (WHERE c.value IS NOT NULL))[:%(most)s], '{}'),
       %(created_by)s
FROM unnest(%(names)s::text[]) WITH ORDINALITY n (name, place)
LEFT JOIN LATERAL (
    SELECT d.attributes ->> n.name AS value, count(*) AS n FROM fcst_app.items d
    WHERE d.dataset_id = %(dataset_id)s AND d.attributes ? n.name GROUP BY 1
) c ON TRUE
WHERE EXISTS (SELECT FROM fcst_app.attribute_values v WHERE v.dataset_id = %(dataset_id)s AND v.name = n.name)
GROUP BY n.name, n.place
ON CONFLICT (dataset_id, name) DO UPDATE
SET source = EXCLUDED.source, n_items = EXCLUDED.n_items, n_values = EXCLUDED.n_values, values = EXCLUDED.values,
    created_at = now(), created_by = EXCLUDED.created_by;

-- remove_attribute_values
-- Deletes the loaded values of an attribute.
DELETE FROM fcst_app.attribute_values WHERE dataset_id = %(dataset_id)s AND name = %(name)s;

-- carry_attributes
-- Copies loaded attribute values from the previous version of a dataset to a new one, if the new version does not have
-- an attribute of the same name and has the key columns.
INSERT INTO fcst_app.attribute_values (dataset_id, name, key, value)
SELECT %(dataset_id)s, v.name, v.key, v.value
FROM fcst_app.attribute_values v JOIN fcst_app.known_attributes k USING (dataset_id, name)
WHERE v.dataset_id = %(before)s AND NOT k.is_own
  AND NOT EXISTS (SELECT FROM fcst_app.known_attributes o WHERE o.dataset_id = %(dataset_id)s AND o.name = k.name)
  AND NOT EXISTS (
      SELECT FROM unnest(k.keyed_by) b (name)
      WHERE NOT EXISTS (SELECT FROM fcst_app.known_attributes o WHERE o.dataset_id = %(dataset_id)s AND o.name = b.name));
