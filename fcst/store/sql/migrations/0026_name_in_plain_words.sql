-- Columns and keys of JSON get plain names. The numbers and texts stay.

ALTER TABLE fcst_app.batch_status RENAME COLUMN item_in_hand TO current_item;
ALTER TABLE fcst_app.batch_status RENAME COLUMN model_in_hand TO current_model;
ALTER TABLE fcst_app.batch_status RENAME CONSTRAINT batch_status_in_hand_check TO batch_status_current_item_check;

UPDATE fcst_app.ingests SET spec = spec - 'asked_by' || jsonb_build_object('requested_by', spec -> 'asked_by')
WHERE spec ? 'asked_by';
UPDATE fcst_app.ingests SET spec = spec - 'seen' || jsonb_build_object('fingerprint', spec -> 'seen')
WHERE spec ? 'seen';
UPDATE fcst_app.datasets SET spec = spec - 'asked_by' || jsonb_build_object('requested_by', spec -> 'asked_by')
WHERE spec ? 'asked_by';
UPDATE fcst_app.datasets SET spec = spec - 'seen' || jsonb_build_object('fingerprint', spec -> 'seen')
WHERE spec ? 'seen';

UPDATE fcst_app.ingests SET report = report - 'doubts' || jsonb_build_object('warnings', report -> 'doubts')
WHERE report ? 'doubts';
UPDATE fcst_app.ingests SET report = report - 'n_sifted' || jsonb_build_object('n_filtered', report -> 'n_sifted')
WHERE report ? 'n_sifted';
UPDATE fcst_app.ingests
SET report = jsonb_set(report #- '{dropped,sifted}', '{dropped,filtered}', report #> '{dropped,sifted}')
WHERE report -> 'dropped' ? 'sifted';
UPDATE fcst_app.datasets SET report = report - 'doubts' || jsonb_build_object('warnings', report -> 'doubts')
WHERE report ? 'doubts';
UPDATE fcst_app.datasets SET report = report - 'n_sifted' || jsonb_build_object('n_filtered', report -> 'n_sifted')
WHERE report ? 'n_sifted';
UPDATE fcst_app.datasets
SET report = jsonb_set(report #- '{dropped,sifted}', '{dropped,filtered}', report #> '{dropped,sifted}')
WHERE report -> 'dropped' ? 'sifted';

UPDATE fcst_app.attention_thresholds
SET thresholds = thresholds - 'one_sided' || jsonb_build_object('bias_ratio', thresholds -> 'one_sided')
WHERE thresholds ? 'one_sided';
UPDATE fcst_app.attention_thresholds
SET thresholds = thresholds - 'far' || jsonb_build_object('plan_change', thresholds -> 'far')
WHERE thresholds ? 'far';
