"""The product's sources, parsed once for all tests that check them."""

import ast
from functools import cache
from pathlib import Path

from fcst.settings import PROJECT

SOURCES = [PROJECT / "app.py", *sorted((PROJECT / "pages").glob("*.py")), *sorted((PROJECT / "fcst").rglob("*.py"))]


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
