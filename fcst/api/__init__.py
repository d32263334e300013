"""The HTTP API: FastAPI under `/api` in the same server as the pages, on the same services; and what monitors ask.

`app` puts it together, `request_checks` refuses requests that may not pass, `callers` identifies who calls, `schemas`
has what goes in and out, `jobs` and `datasets` have the routes, `problems` describes errors, `monitoring` answers
`/healthz`, `/readyz` and `/metrics`.
"""
