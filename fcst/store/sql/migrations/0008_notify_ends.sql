-- Outbox of notifications of ended jobs by HTTP; retried until delivered, or for a day.
CREATE TABLE fcst_app.notifications (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id          integer NOT NULL REFERENCES fcst_app.jobs ON DELETE CASCADE,
    ended_at        timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    error           text,
    delivered_at    timestamptz,
    gave_up_at      timestamptz
);
CREATE INDEX notifications_due ON fcst_app.notifications (due_at) WHERE delivered_at IS NULL AND gave_up_at IS NULL;
CREATE INDEX notifications_job ON fcst_app.notifications (job_id);
