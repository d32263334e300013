-- guard_transaction
-- A frozen client may not hold what it has locked, and the server notices one that has vanished.
SET LOCAL idle_in_transaction_session_timeout = '8s';
SET LOCAL client_connection_check_interval = '2s';
