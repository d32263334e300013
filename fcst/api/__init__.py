"""The HTTP API: FastAPI under `/api` in the same server as the pages, on the same services; and what monitors ask.

`app` puts it together, `gate` decides who comes in, `schemas` has what goes in and out, `jobs` and `datasets` have the
routes, `problems` says in words what went wrong, `monitoring` answers `/healthz`, `/readyz` and `/metrics`.
"""
