-- What items are filtered and summed by: the parts of joined keys, what files beside the sales and files of attributes say.
-- An object of name -> text; an item without a value lacks the name. Family, class and is_perishable stay columns.
ALTER TABLE fcst_app.items ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object');

-- The attributes that items of a dataset have. The values of those in keyed_by decide this one; empty: it is said item by
-- item. One that is not the dataset's own came with a file that was loaded for it. values are those that most items
-- have, up to 1,000.
CREATE TABLE fcst_app.known_attributes (
    dataset_id integer NOT NULL REFERENCES fcst_app.datasets ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    place      integer NOT NULL,
    source     text NOT NULL,
    keyed_by   text[] COLLATE "C" NOT NULL,
    is_own     boolean NOT NULL,
    n_items    integer NOT NULL,
    n_values   integer NOT NULL,
    values     text[] COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT '',
    PRIMARY KEY (dataset_id, name)
);

-- How often attributes were changed since the dataset was loaded.
ALTER TABLE fcst_app.datasets ADD COLUMN attribute_change integer NOT NULL DEFAULT 0;

-- What files of attributes say, also of keys that no item has: a new version of the dataset takes it over. A key is that of
-- an item, or the values of the attributes that the named one is keyed by. As the tables of items, without a foreign key.
CREATE TABLE fcst_app.attribute_values (
    dataset_id integer NOT NULL,
    name       text COLLATE "C" NOT NULL,
    key        text[] COLLATE "C" NOT NULL,
    value      text NOT NULL,
    PRIMARY KEY (dataset_id, name, key)
);

-- The parts of joined keys of the datasets that are there; where a part itself holds the sign between parts, they are not known.
-- for each row of: SELECT dataset_id FROM fcst_app.datasets WHERE jsonb_array_length(spec #> '{mapping,item}') > 1 ORDER BY 1
UPDATE fcst_app.items i
SET attributes = (
    SELECT jsonb_object_agg(n.name, p.part)
    FROM jsonb_array_elements_text(d.spec #> '{mapping,item}') WITH ORDINALITY n (name, place)
    JOIN unnest(string_to_array(i.unique_id, '|')) WITH ORDINALITY p (part, place) USING (place))
FROM fcst_app.datasets d
WHERE d.dataset_id = %(dataset_id)s AND i.dataset_id = d.dataset_id
  AND cardinality(string_to_array(i.unique_id, '|')) = jsonb_array_length(d.spec #> '{mapping,item}');
-- for all

-- for each row of: SELECT dataset_id FROM fcst_app.datasets ORDER BY 1
INSERT INTO fcst_app.known_attributes (dataset_id, name, place, source, keyed_by, is_own, n_items, n_values, values)
SELECT %(dataset_id)s, v.name, min(v.place), min(v.source), '{}', true, sum(v.n_items), count(*),
       (array_agg(v.value ORDER BY v.n_items DESC, v.value))[:1000]
FROM (
    SELECT a.name, a.value, a.source, min(a.place) AS place, count(*) AS n_items
    FROM fcst_app.items i
    CROSS JOIN LATERAL (
        SELECT 'family', i.family, 'the sales', 1 UNION ALL SELECT 'class', i.class, 'the sales', 2
        UNION ALL SELECT 'perishable', CASE i.is_perishable WHEN true THEN 'yes' WHEN false THEN 'no' END, 'the sales', 3
        UNION ALL SELECT e.key, e.value, 'key', 4 FROM jsonb_each_text(i.attributes) e
    ) a (name, value, source, place)
    WHERE i.dataset_id = %(dataset_id)s AND a.value IS NOT NULL
    GROUP BY a.name, a.value, a.source
) v
GROUP BY v.name;
-- for all
