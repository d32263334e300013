"""HTTP API: FastAPI under `/api`, in the same server and on the same services as the pages; and monitoring endpoints.

`routes` mounts it, `app` assembles it. `request_checks` rejects unsafe requests, `authentication` checks tokens and
rates, `schemas` has the request and response models, `jobs`, `datasets` and others have the routes, `problems` formats
errors, `monitoring` answers `/healthz`, `/readyz` and `/metrics`.
"""
