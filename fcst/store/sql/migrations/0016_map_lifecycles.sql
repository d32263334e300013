-- Lifecycles of items: the items whose sales they continue, first and last day of sale. Each change has a number, so
-- that a run keeps the lifecycles at its submission: a row is valid from the change since on, until the change until,
-- if set. sources are the preceding items, each multiplied by its factor.
CREATE SEQUENCE fcst_app.lifecycle_changes;
CREATE TABLE fcst_app.lifecycles (
    dataset_id integer NOT NULL REFERENCES fcst_app.datasets ON DELETE CASCADE,
    unique_id  text COLLATE "C" NOT NULL,
    since      bigint NOT NULL,
    until      bigint,
    origin     text CHECK (origin IN ('predecessor', 'like')),
    sources    text[] COLLATE "C" NOT NULL,
    factors    double precision[] NOT NULL,
    launch     date,
    last_day   date,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    PRIMARY KEY (dataset_id, unique_id, since),
    CHECK (cardinality(sources) = cardinality(factors)),
    CHECK ((origin IS NULL) = (cardinality(sources) = 0)),
    CHECK ((0 < ALL (factors) AND 'infinity' > ALL (factors)) IS TRUE),
    CHECK (launch <= last_day)
);
-- Not fastupdate: after a file is saved, each search would read the whole list of pending entries.
CREATE INDEX lifecycles_predecessors ON fcst_app.lifecycles USING gin (sources) WITH (fastupdate = off)
    WHERE origin = 'predecessor';

-- The number of the last change of a dataset's lifecycles.
ALTER TABLE fcst_app.datasets ADD COLUMN lifecycle bigint NOT NULL DEFAULT 0;
ALTER SEQUENCE fcst_app.lifecycle_changes OWNED BY fcst_app.datasets.lifecycle;

-- An item without sales, added by a lifecycle. Its sales are one missing week.
ALTER TABLE fcst_app.items ADD COLUMN is_added boolean NOT NULL DEFAULT false;
