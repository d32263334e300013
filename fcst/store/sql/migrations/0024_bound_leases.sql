-- Leases are valid by the database's clock, which may be set: a lease that expires too far ahead is as invalid as an
-- expired one. A process is identified by its process id and start, independent of clock changes.

-- process_start: start of the supervisor's process, in clock ticks since the boot of its machine; NULL if unknown, as
-- for earlier versions.
ALTER TABLE fcst_app.workers
    ADD COLUMN lease_s double precision NOT NULL DEFAULT 20,
    ADD COLUMN process_start bigint;

-- Supervisors with a valid lease. The expiry may exceed now plus the lease's length by a margin, after the clock was
-- set back a little, so that a running supervisor does not count as lost.
CREATE VIEW fcst_app.live_workers AS
SELECT worker_id, host, pid, process_start, processes, problem, started_at
FROM fcst_app.workers
WHERE stopped_at IS NULL AND lease_expires_at > now()
  AND lease_expires_at <= now() + make_interval(secs => 2 * lease_s);
