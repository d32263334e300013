"""Writes docs/reference/schema.sql: `python tests/store/schema.py`."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fcst.settings import PROJECT  # noqa: E402
from fcst.store.embedded_paths import find_binaries  # noqa: E402

FILE = PROJECT / "docs" / "reference" / "schema.sql"
HEAD = """-- The schema fcst_app, as the migrations in fcst/store/sql/migrations make it.
-- Written by tests/store/schema.py; a test keeps it equal to them.
"""


def read_schema(url: str) -> str:
    """The statements that make the schema of a database, in pg_dump's order, without its settings and comments."""
    command = (find_binaries(None) / "pg_dump", "--schema-only", "--schema=fcst_app", "--no-owner", "--no-privileges")
    dump = subprocess.run([*command, f"--dbname={url}"], check=True, capture_output=True, text=True).stdout
    kept = [line for line in dump.splitlines() if not re.match(r"--|SET |SELECT pg_catalog\.|\\(un)?restrict ", line)]
    return HEAD + re.sub(r"\n{3,}", "\n\n", "\n".join(["", *kept])).rstrip() + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"FCST_HOME": f"{folder}/home", "FCST_WORKER": "external"}
        os.environ.pop("DATABASE_URL", None)
        from fcst.services.supervision import prepare_database
        from fcst.store.embedded import ensure_running

        prepare_database()
        where = ensure_running(Path(folder, "home"))
        url = f"postgresql://{where['user']}@/{where['dbname']}?host={where['host']}&port={where['port']}"
        FILE.write_text(read_schema(url), encoding="utf-8")


if __name__ == "__main__":
    main()
