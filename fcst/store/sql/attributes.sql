-- insert_attributes
-- Attributes of a dataset, from a JSON list in their order.
INSERT INTO fcst_app.known_attributes (dataset_id, name, place, source, keyed_by, is_own, n_items, n_values, values, created_by)
SELECT %(dataset_id)s, r.value ->> 'name', r.place,
       r.value ->> 'source', ARRAY(SELECT jsonb_array_elements_text(r.value -> 'keyed_by')),
       (r.value ->> 'is_own')::boolean, (r.value ->> 'n_items')::integer, (r.value ->> 'n_values')::integer,
       ARRAY(SELECT jsonb_array_elements_text(r.value -> 'values')), %(created_by)s
FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY r (value, place);

-- list_attributes
-- The attributes of a dataset, in their order.
SELECT name, source, keyed_by, is_own, n_items, n_values, values
FROM fcst_app.known_attributes WHERE dataset_id = %(dataset_id)s ORDER BY NOT is_own, place, name;

-- describe_added_items
-- Gives items that were added for lifecycles their attributes: the parts of their own keys; what one of these decides, as an
-- item has it that shares it; all else as the first of their sources has it.
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
                  - ARRAY(SELECT name FROM fcst_app.known_attributes WHERE dataset_id = %(dataset_id)s AND keyed_by <> '{}'))
                 || COALESCE(s.attributes, '{}') || a.parts
FROM added a LEFT JOIN shared s USING (unique_id)
WHERE i.dataset_id = %(dataset_id)s AND i.unique_id = a.unique_id;
