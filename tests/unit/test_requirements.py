"""Requirements: exact direct pins, a lock with hashes, and a pin for every imported library."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from fcst.settings import PROJECT

_TOML = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
PRODUCT = "\n".join(_TOML["project"]["dependencies"])
EXTRAS = "\n".join(line for lines in _TOML["project"]["optional-dependencies"].values() for line in lines)
DIRECT = "\n".join([PRODUCT, EXTRAS, *_TOML["dependency-groups"]["dev"]])
LOCK = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
DEV_LOCK = (PROJECT / "requirements-dev.txt").read_text(encoding="utf-8")

# Allowed content of a requirement: no address, option or folder.
DIRECT_LINE = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==[A-Za-z0-9.]+")
LOCK_ENTRY = re.compile(r"[a-z0-9-]+==[a-z0-9.]+( ; [a-z_]+ [!=<>]+ '[\w.]+'( (and|or) [a-z_]+ [!=<>]+ '[\w.]+')*)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PLACE = re.compile(r"://|(?<!no-emit-)index-url|find-links|trusted-host|\.(org|com|net|io|dev)\b|(^|[\s=])[/~]")


def requirements_in(text: str) -> dict[str, str]:
    """Versions of pinned packages by canonical name."""
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", " ")):
            requirement = Requirement(line.removesuffix("\\").strip())
            (version,) = (part.version for part in requirement.specifier)
            name = canonicalize_name(requirement.name)
            assert name not in pins, f"{name} is listed twice"
            pins[name] = version
    return pins


def wrong_in_direct(text: str) -> list[str]:
    """Lines that are neither a comment nor one exact pin."""
    return [line for line in text.splitlines() if not (line.startswith("#") or DIRECT_LINE.fullmatch(line))]


def wrong_in_lock(text: str) -> list[str]:
    """Entries that are not exactly one pin with at least one sha256 hash."""
    code = "\n".join(line for line in text.splitlines() if line and not line.lstrip().startswith("#"))
    wrong = []
    for entry in code.replace("\\\n", "").splitlines():
        pin, *hashes = re.split(r"\s+(?=--)", entry)
        if not (LOCK_ENTRY.fullmatch(pin) and hashes and all(HASH.fullmatch(part) for part in hashes)):
            wrong.append(entry)
    return wrong


def places_in(text: str) -> list[str]:
    """Lines, including comments, with an address, an index or a folder outside the project."""
    return [line for line in text.splitlines() if PLACE.search(line)]


def not_locked(direct: str, lock: str) -> set[tuple[str, str]]:
    return set(requirements_in(direct).items()) - set(requirements_in(lock).items())


def libraries_of(source: str) -> set[str]:
    """Third-party modules that a source file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"fcst"}


@cache
def packages_of_modules() -> Mapping[str, list[str]]:
    return packages_distributions()


def not_pinned(libraries: Iterable[str], pins: Iterable[str]) -> set[str]:
    """Libraries that no pinned package provides."""
    packages = packages_of_modules()
    return {name for name in libraries if not {canonicalize_name(p) for p in packages.get(name, [])} & set(pins)}


def test_direct_requirements_are_exact() -> None:
    assert wrong_in_direct(DIRECT) == []
    assert len(requirements_in(DIRECT)) > 30


@pytest.mark.parametrize("line", ["pandas", "pandas>=2.3.3", "pandas==2.*", "-r more.txt", "pandas==2.3.3 # old", ""])
def test_inexact_requirements_are_found(line: str) -> None:
    assert wrong_in_direct(f"# The product\nnumpy==2.4.6\n{line}\n") == [line]


def test_locks_hold_the_direct_requirements() -> None:
    assert not_locked(PRODUCT, LOCK) == set()
    assert not_locked(DIRECT, DEV_LOCK) == set()


def test_tests_run_with_the_versions_of_the_product() -> None:
    assert set(requirements_in(LOCK).items()) < set(requirements_in(DEV_LOCK).items())


def test_requirements_missing_in_the_lock_are_found() -> None:
    lock = "numpy==2.4.6 \\\n    --hash=sha256:0\nxlsxwriter==3.3.0\n"
    assert not_locked("# one\nnumpy==2.4.6\nXlsxWriter==3.3.1\nPebble==5.2.3\n", lock) == {
        ("xlsxwriter", "3.3.1"),
        ("pebble", "5.2.3"),
    }


def test_every_entry_of_the_lock_has_hashes() -> None:
    assert wrong_in_lock(LOCK) == wrong_in_lock(DEV_LOCK) == []
    assert len(requirements_in(LOCK)) > 80


@pytest.mark.parametrize(
    "entry",
    [
        "numpy==2.4.6",
        "numpy==2.4.6 --hash=md5:0123",
        "numpy==2.4.6 --hash=sha256:0123",
        f"numpy>=2.4.6 --hash=sha256:{'0' * 64}",
        f"numpy @ file:///numpy.whl --hash=sha256:{'0' * 64}",
        f"numpy==2.4.6 --hash=sha256:{'0' * 64} --pre",
        "--index-url https://example.invalid/simple",
    ],
)
def test_lock_entries_without_valid_hash_are_found(entry: str) -> None:
    good = f"zipp==4.1.2 ; python_full_version < '3.12' \\\n    --hash=sha256:{'a' * 64}\n    # via pandas"
    assert wrong_in_lock(f"# head\n{good}\n{entry}\n") == [entry]


def test_requirements_contain_no_address_or_folder() -> None:
    assert places_in(DIRECT) == places_in(LOCK) == places_in(DEV_LOCK) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url simple",
        "# from https://example.invalid/simple",
        "--extra-index-url=simple",
        "    # via -r /home/me/pyproject.toml",
        "-f ~/wheels",
        "# from packages.example.org",
    ],
)
def test_addresses_and_folders_are_found(line: str) -> None:
    assert places_in(f"# made with --no-emit-index-url\nnumpy==2.4.6\n{line}\n") == [line]


def test_every_library_that_the_product_imports_is_a_direct_requirement() -> None:
    folders = [*(PROJECT / "fcst").rglob("*.py"), *(PROJECT / "pages").glob("*.py"), PROJECT / "app.py"]
    libraries = {name for path in folders for name in libraries_of(Path(path).read_text(encoding="utf-8"))}
    assert len(libraries) > 20
    assert not_pinned(libraries, requirements_in(f"{PRODUCT}\n{EXTRAS}")) == set()


def test_a_library_that_is_not_pinned_is_found() -> None:
    source = (
        "import os, numpy.linalg\nfrom fcst import names\n\ndef f():\n    from dateutil import tz\n    import nowhere\n"
    )
    assert libraries_of(source) == {"numpy", "dateutil", "nowhere"}
    assert not_pinned(libraries_of(source), {"numpy"}) == {"dateutil", "nowhere"}
    assert not_pinned({"dateutil", "psycopg2"}, {"python-dateutil", "psycopg2-binary"}) == set()


def test_duplicate_package_is_refused() -> None:
    with pytest.raises(AssertionError, match="numpy is listed twice"):
        requirements_in("numpy==2.4.6\nNumPy==2.4.5\n")
    with pytest.raises(InvalidRequirement):
        requirements_in("-r more.txt\n")
