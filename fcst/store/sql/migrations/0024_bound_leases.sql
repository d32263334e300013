-- A lease holds by the database's clock, which may be set: an end that is too far ahead holds as little as one that has
-- passed. A process is known by its number and by when it began, whatever the clocks are set to.

-- process_start: clock ticks of its machine from the boot to the begin of the supervisor's process; NULL where that is
-- not known, as of earlier versions.
ALTER TABLE fcst_app.workers
    ADD COLUMN lease_s double precision NOT NULL DEFAULT 20,
    ADD COLUMN process_start bigint;

-- Supervisors whose lease holds. It may end later than its length from now where the clock has gone back a little: a
-- supervisor that lives is not taken for dead then.
CREATE VIEW fcst_app.live_workers AS
SELECT worker_id, host, pid, process_start, processes, problem, started_at
FROM fcst_app.workers
WHERE stopped_at IS NULL AND lease_expires_at > now()
  AND lease_expires_at <= now() + make_interval(secs => 2 * lease_s);
