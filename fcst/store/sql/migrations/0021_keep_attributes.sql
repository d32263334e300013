-- Attributes for filtering and grouping items: parts of joined keys, columns of files next to the sales, and attribute
-- files. An object of name -> text; an item without a value lacks the name. Family, class and is_perishable stay
-- columns.
ALTER TABLE fcst_app.items ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object');

-- The attributes of a dataset. An attribute depends on those in keyed_by; if empty, it is given by item. is_own is
-- false for attributes from a file that was loaded later. values are the most frequent ones, up to 1,000.
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

-- Number of attribute changes since the dataset was loaded.
ALTER TABLE fcst_app.datasets ADD COLUMN attribute_change integer NOT NULL DEFAULT 0;

-- Values from attribute files, including keys that no item has: a new version of the dataset copies them. A key is that
-- of an item, or the values of the attributes in keyed_by. Like the tables of items, it has no foreign key.
CREATE TABLE fcst_app.attribute_values (
    dataset_id integer NOT NULL,
    name       text COLLATE "C" NOT NULL,
    key        text[] COLLATE "C" NOT NULL,
    value      text NOT NULL,
    PRIMARY KEY (dataset_id, name, key)
);

-- The parts of joined keys of existing datasets; they are unknown if a part contains the separator.
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

-- for each row of: SELECT dataset_id, created_at FROM fcst_app.datasets ORDER BY 1
INSERT INTO fcst_app.known_attributes (dataset_id, created_at, name, place, source, keyed_by, is_own, n_items, n_values,
                                       values)
SELECT %(dataset_id)s, %(created_at)s, v.name, min(v.place), min(v.source), '{}', true, sum(v.n_items), count(*),
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

-- Forecast totals of an item over the horizon, in a narrow row, so that sums over many items read few bytes: units
-- forecast, sold in as many weeks before, and in the same weeks a year before (52 weeks), without missing ones; by
-- level, the distances of the bounds from the forecast, summed over the weeks; errors as in forecasts. NULL is unknown.
-- Like the other item tables, it has no foreign key.
CREATE TABLE fcst_app.forecast_sums (
    job_id    integer NOT NULL,
    unique_id text COLLATE "C" NOT NULL,
    model     text NOT NULL,
    forecast  double precision NOT NULL,
    sold      double precision,
    last_year double precision,
    down      double precision[] NOT NULL,
    up        double precision[] NOT NULL,
    abs_error double precision,
    error     double precision,
    actual    double precision,
    PRIMARY KEY (job_id, model, unique_id)
);

-- for each row of: SELECT job_id, min(batch_id) AS first, max(batch_id) AS last FROM fcst_app.batch_status GROUP BY job_id, batch_no / 10 ORDER BY 1, 2
INSERT INTO fcst_app.forecast_sums (job_id, unique_id, model, forecast, sold, last_year, down, up, abs_error, error, actual)
SELECT f.job_id, f.unique_id, f.model, f.total, f.sold, y.units, COALESCE(b.down, '{}'), COALESCE(b.up, '{}'), f.abs_error,
       f.error, f.actual
FROM fcst_app.job_items i
JOIN fcst_app.jobs j ON j.job_id = i.job_id
JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id
LEFT JOIN LATERAL (
    SELECT array_agg(f.total - l.lo ORDER BY l.level) AS down, array_agg(l.hi - f.total ORDER BY l.level) AS up
    FROM (
        SELECT g.level, sum(w.lo) AS lo, sum(w.hi) AS hi
        FROM generate_subscripts(f.lo, 1) g (level)
        CROSS JOIN LATERAL unnest(f.lo[g.level:g.level], f.hi[g.level:g.level]) w (lo, hi) GROUP BY g.level
    ) l
) b ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(u.units) AS units FROM fcst_app.sales s
    CROSS JOIN LATERAL unnest(s.unit_sales[greatest(cardinality(s.unit_sales) - 51, 1)
                                           : cardinality(s.unit_sales) - 52 + cardinality(f.forecast)]) u (units)
    WHERE s.dataset_id = j.dataset_id AND s.unique_id = f.unique_id AND cardinality(f.forecast) <= 52
) y ON TRUE
WHERE i.batch_id BETWEEN %(first)s AND %(last)s AND i.job_id = %(job_id)s AND i.outcome = 'completed';
-- for all
