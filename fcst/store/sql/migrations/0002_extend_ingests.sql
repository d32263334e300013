-- Ingests can be cancelled, store their progress, and keep the report of a refusal; items have more attributes.
ALTER TABLE fcst_app.ingests
    ADD COLUMN done_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN total_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN phase_started_at timestamptz,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN report jsonb,
    DROP CONSTRAINT ingests_status_check,
    DROP CONSTRAINT ingests_check;
ALTER TABLE fcst_app.ingests
    ADD CONSTRAINT ingests_status_check
        CHECK (status IN ('submitted', 'running', 'completed', 'failed', 'cancelled')),
    ADD CONSTRAINT ingests_finished_check
        CHECK ((finished_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled')));

ALTER TABLE fcst_app.items
    ADD COLUMN description text,
    ADD COLUMN demand_class text,
    ADD COLUMN adi double precision,
    ADD COLUMN cv2 double precision;

-- Read settings: several paths, and roles with lists of columns, instead of one path and one column each.
CREATE FUNCTION fcst_app.spec_of_several_files(spec jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'paths', jsonb_build_array(spec -> 'path'), 'name', spec -> 'name',
        'mapping', jsonb_build_object('item', jsonb_build_array(spec -> 'item'), 'date', jsonb_build_array(spec -> 'date'),
                                      'sales', jsonb_build_array(spec -> 'sales'), 'promo', jsonb_build_array(spec -> 'promo')),
        'date_format', '', 'decimal', '', 'encoding', '', 'file', '', 'where', '[]'::jsonb,
        'include_promo', spec -> 'include_promo', 'returns', 'net', 'duplicates', 'keep',
        'week_end', spec -> 'week_end', 'skip_bad', false, 'is_upload', spec -> 'is_upload')
$$;
UPDATE fcst_app.ingests SET spec = fcst_app.spec_of_several_files(spec) WHERE spec ? 'path';
UPDATE fcst_app.datasets SET spec = fcst_app.spec_of_several_files(spec) WHERE spec ? 'path';
DROP FUNCTION fcst_app.spec_of_several_files(jsonb);
