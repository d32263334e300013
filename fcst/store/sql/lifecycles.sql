-- list_lifecycles
-- A page of the current lifecycles of a dataset, by item.
SELECT l.unique_id, l.origin, l.sources, l.factors, l.launch, l.last_day, l.created_at, l.created_by,
       NOT d.is_added AS has_sales
FROM fcst_app.lifecycles l JOIN fcst_app.items d USING (dataset_id, unique_id)
WHERE l.dataset_id = %(dataset_id)s AND l.until IS NULL
ORDER BY l.unique_id LIMIT %(limit)s OFFSET %(skip)s;

-- count_lifecycles
-- Number of current lifecycles of a dataset.
SELECT count(*)::integer AS n_found FROM fcst_app.lifecycles WHERE dataset_id = %(dataset_id)s AND until IS NULL;

-- last_lifecycle_change
-- The number of the last change of a dataset's lifecycles.
SELECT lifecycle FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s;

-- lifecycles_at
-- The lifecycles of some items as of a change number.
SELECT l.unique_id, l.origin, l.sources, l.factors, l.launch, l.last_day
FROM fcst_app.lifecycles l
WHERE l.dataset_id = %(dataset_id)s AND l.unique_id = ANY (%(unique_ids)s)
  AND l.since <= %(change)s AND (l.until IS NULL OR l.until > %(change)s);

-- replaced_at
-- The given items that others replace, as of a change number, each with the launch day of a replacement: from its
-- lifecycle, or the week of its first sale; NULL if it has no sales. Uses the index on sources, one item at a time.
SELECT k.unique_id, COALESCE(l.launch, CASE WHEN d.last_sale_dt IS NOT NULL THEN d.first_wk_end_dt - 6 END) AS launch
FROM unnest(%(unique_ids)s::text[] COLLATE "C") k (unique_id)
CROSS JOIN LATERAL (
    SELECT unique_id, launch FROM fcst_app.lifecycles
    WHERE sources @> ARRAY[k.unique_id] AND origin = 'predecessor' AND dataset_id = %(dataset_id)s
      AND since <= %(change)s AND (until IS NULL OR until > %(change)s)
    OFFSET 0
) l
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = l.unique_id;

-- next_lifecycle_change
-- Assigns a new change number to a dataset's lifecycles and locks its row.
UPDATE fcst_app.datasets SET lifecycle = nextval('fcst_app.lifecycle_changes') WHERE dataset_id = %(dataset_id)s
RETURNING lifecycle;

-- end_lifecycles
-- Ends the current lifecycles of some items.
UPDATE fcst_app.lifecycles SET until = %(change)s
WHERE dataset_id = %(dataset_id)s AND unique_id = ANY (%(unique_ids)s) AND until IS NULL;

-- insert_lifecycles
-- Inserts lifecycles from a JSON list.
INSERT INTO fcst_app.lifecycles (dataset_id, unique_id, since, origin, sources, factors, launch, last_day, created_by)
SELECT %(dataset_id)s, r.unique_id, %(change)s, r.origin, r.sources, r.factors, r.launch, r.last_day, %(created_by)s
FROM jsonb_to_recordset(%(rows)s::jsonb)
     AS r (unique_id text, origin text, sources text[], factors double precision[], launch date, last_day date);

-- find_version_before
-- The previous version of a dataset, and whether it has lifecycles.
SELECT dataset_id, EXISTS (SELECT FROM fcst_app.lifecycles l WHERE l.dataset_id = d.dataset_id AND l.until IS NULL)
       AS has_lifecycles
FROM fcst_app.datasets d WHERE name = %(name)s AND dataset_id <> %(dataset_id)s ORDER BY version DESC LIMIT 1;

-- carry_lifecycles
-- Copies lifecycles from the previous version of a dataset to a new one: for items that the new version has, and for
-- items without sales whose source it has.
INSERT INTO fcst_app.lifecycles (dataset_id, unique_id, since, origin, sources, factors, launch, last_day, created_at,
                                 created_by)
SELECT %(dataset_id)s, l.unique_id, %(change)s, l.origin, l.sources, l.factors, l.launch, l.last_day, l.created_at,
       l.created_by
FROM fcst_app.lifecycles l JOIN fcst_app.items b USING (dataset_id, unique_id)
WHERE l.until IS NULL AND l.dataset_id = %(before)s
  AND EXISTS (SELECT FROM fcst_app.items d WHERE d.dataset_id = %(dataset_id)s
              AND (d.unique_id = l.unique_id OR b.is_added AND d.unique_id = ANY (l.sources)));

-- dropped_lifecycles
-- Items whose lifecycle was not copied to a new version.
SELECT l.unique_id FROM fcst_app.lifecycles l
WHERE l.until IS NULL AND l.dataset_id = %(before)s AND NOT EXISTS (
    SELECT FROM fcst_app.lifecycles n WHERE n.dataset_id = %(dataset_id)s AND n.unique_id = l.unique_id)
ORDER BY l.unique_id;

-- add_warning
-- Adds a remark to the report of a dataset.
UPDATE fcst_app.datasets SET report = jsonb_set(report, ARRAY['warnings'], report -> 'warnings' || to_jsonb(%(warning)s::text))
WHERE dataset_id = %(dataset_id)s;

-- add_items_of_lifecycles
-- Adds the items that have lifecycles but are missing in a dataset: last in rank, with the family and class of their
-- first existing source, and with one missing week.
WITH added AS (
    INSERT INTO fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt, n_weeks,
                                n_missing, family, class, is_perishable, search_text, is_added)
    SELECT l.dataset_id, l.unique_id,
           (SELECT max(sales_rank) FROM fcst_app.items WHERE dataset_id = %(dataset_id)s)
           + row_number() OVER (ORDER BY l.unique_id),
           0, a.last_wk_end_dt, NULL, 1, 1, s.family, s.class, s.is_perishable,
           lower(l.unique_id || E'\x1f' COLLATE "default"), true
    FROM fcst_app.lifecycles l JOIN fcst_app.datasets a USING (dataset_id)
    CROSS JOIN LATERAL (
        SELECT d.family, d.class, d.is_perishable FROM fcst_app.items d
        WHERE d.dataset_id = l.dataset_id AND d.unique_id = ANY (l.sources)
        ORDER BY array_position(l.sources, d.unique_id) LIMIT 1
    ) s
    WHERE l.dataset_id = %(dataset_id)s AND l.until IS NULL AND NOT EXISTS (
        SELECT FROM fcst_app.items d WHERE d.dataset_id = l.dataset_id AND d.unique_id = l.unique_id)
    RETURNING dataset_id, unique_id, first_wk_end_dt
)
INSERT INTO fcst_app.sales (dataset_id, unique_id, first_wk_end_dt, unit_sales)
SELECT dataset_id, unique_id, first_wk_end_dt, ARRAY[NULL::double precision] FROM added;

-- remove_added_item
-- Deletes an added item without a lifecycle, unless a run has it; then its row stays for the run, hidden from lists.
WITH deleted AS (
    DELETE FROM fcst_app.items d
    WHERE d.dataset_id = %(dataset_id)s AND d.unique_id = %(unique_id)s AND d.is_added
      AND NOT EXISTS (SELECT FROM fcst_app.jobs j CROSS JOIN LATERAL (
                          SELECT FROM fcst_app.job_items i
                          WHERE i.job_id = j.job_id AND i.unique_id = d.unique_id) i
                      WHERE j.dataset_id = d.dataset_id)
    RETURNING d.dataset_id, d.unique_id
)
DELETE FROM fcst_app.sales s USING deleted g WHERE s.dataset_id = g.dataset_id AND s.unique_id = g.unique_id;

-- count_items_again
-- Updates the number of items of a dataset: those with sales or with a lifecycle.
UPDATE fcst_app.datasets a SET n_items = (
    SELECT count(*) FROM fcst_app.items d WHERE d.dataset_id = a.dataset_id AND (NOT d.is_added OR EXISTS (
        SELECT FROM fcst_app.lifecycles l
        WHERE l.dataset_id = d.dataset_id AND l.unique_id = d.unique_id AND l.until IS NULL)))
WHERE dataset_id = %(dataset_id)s;

-- known_sources
-- The given keys that are items of a dataset, and whether each was added without sales.
SELECT unique_id, is_added FROM fcst_app.items WHERE dataset_id = %(dataset_id)s AND unique_id = ANY (%(unique_ids)s);

-- current_sources
-- Current lifecycles of a dataset with sources, and their sources.
SELECT unique_id, sources FROM fcst_app.lifecycles
WHERE dataset_id = %(dataset_id)s AND until IS NULL AND origin IS NOT NULL;
