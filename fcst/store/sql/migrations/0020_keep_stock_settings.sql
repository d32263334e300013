-- Stock settings, by the name of the dataset, so that they apply to all its versions: of an item, a part of keys (as in
-- driver_loads), a family, a class, or all. NULL: the setting of the next larger group applies.
CREATE TABLE fcst_app.stock_settings (
    name               text COLLATE "C" NOT NULL,
    grouped_by         text NOT NULL CHECK (grouped_by IN ('item', 'part', 'family', 'class', 'all')),
    key_columns        text[] NOT NULL DEFAULT '{}',
    key                text COLLATE "C" NOT NULL,
    lead_time_days     double precision CHECK (lead_time_days >= 0 AND lead_time_days < 'infinity'),
    review_period_days double precision CHECK (review_period_days >= 0 AND review_period_days < 'infinity'),
    service_level      double precision CHECK (service_level > 0 AND service_level < 1),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    changed_by         text NOT NULL,
    PRIMARY KEY (name, grouped_by, key_columns, key),
    CHECK ((grouped_by = 'part') = (key_columns <> '{}')),
    CHECK ((grouped_by = 'all') = (key = '')),
    CHECK (num_nonnulls(lead_time_days, review_period_days, service_level) > 0)
);
