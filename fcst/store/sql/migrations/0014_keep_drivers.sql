-- Drivers: known influences on sales by week. A load has the drivers of one file or calendar; later loads override
-- earlier ones.
CREATE TABLE fcst_app.driver_loads (
    driver_load_id serial PRIMARY KEY,
    dataset_id     integer NOT NULL REFERENCES fcst_app.datasets ON DELETE CASCADE,
    source         text NOT NULL,
    is_own         boolean NOT NULL,
    grouped_by     text NOT NULL CHECK (grouped_by IN ('item', 'family', 'class', 'all')),
    first_day      date NOT NULL,
    last_day       date NOT NULL,
    columns        jsonb NOT NULL,
    report         jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text NOT NULL,
    CHECK (first_day <= last_day)
);
CREATE INDEX driver_loads_dataset ON fcst_app.driver_loads (dataset_id);

-- One value per week from first_wk_end_dt on, possibly beyond the last week of the dataset. NULL is unknown. The key is
-- that of an item, a family or a class, by the load's grouped_by, or '' for all items.
CREATE TABLE fcst_app.driver_values (
    driver_load_id  integer NOT NULL,
    key             text COLLATE "C" NOT NULL,
    name            text NOT NULL,
    first_wk_end_dt date NOT NULL,
    values          double precision[] NOT NULL,
    PRIMARY KEY (driver_load_id, key, name)
);
