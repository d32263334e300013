"""Checks the locked packages for known advisories with pip-audit. Skipped if no advisory service answers."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from fcst.settings import PROJECT

# Advisories that do not affect the product: id or alias -> reason.
ALLOWED: dict[str, str] = {}

LOCK = PROJECT / "requirements-dev.txt"  # has all of requirements.txt
SERVICES = ("pypi", "osv")
PROBE_S, AUDIT_S, SOCKET_S = 8, 120, 3


class NoAnswer(Exception):
    """The advisory service did not answer; the text is the reason."""


@dataclass(frozen=True)
class Finding:
    """One advisory about one locked package."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        others = f" ({', '.join(self.names[1:])})" if self.names[1:] else ""
        fixed = " or ".join(self.fixed) or "no version"
        return f"{self.package} {self.version}: {self.names[0]}{others}, fixed in {fixed}"


def audit(requirements: Path, cache: Path, *service: str, seconds: float) -> dict[str, Any]:
    """Run pip-audit on a file of pinned packages and return its report."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(requirements), "--disable-pip", "--no-deps", "-f", "json"]
    command += ["--progress-spinner", "off", "--timeout", str(SOCKET_S), "--cache-dir", str(cache), "-s", *service]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"no answer in {seconds:g} s") from None
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise NoAnswer(reason_in(done.stderr)) from None


def reason_in(stderr: str) -> str:
    """The first error that pip-audit logged, or the class of the exception that ended it; without address."""
    lines = stderr.strip().splitlines() or ["nothing"]
    if logged := [line for line in lines if line.startswith("ERROR:")]:
        return logged[0].split(":", 2)[-1]
    return lines[-1].partition(":")[0].rpartition(".")[2]


def findings(report: dict[str, Any]) -> list[Finding]:
    return [
        Finding(found["name"], found["version"], (one["id"], *sorted(one["aliases"])), tuple(one["fix_versions"]))
        for found in report["dependencies"]
        for one in found.get("vulns", [])
    ]


def unknown(report: dict[str, Any]) -> list[str]:
    """Packages that the service does not know."""
    return [found["name"] for found in report["dependencies"] if "skip_reason" in found]


def check(report: dict[str, Any], allowed: dict[str, str]) -> None:
    """Fail for each advisory that is not allowed, and each allowed advisory that no package has."""
    found = findings(report)
    bad = [str(one) for one in found if not allowed.keys() & set(one.names)]
    assert not bad, "known advisories:\n" + "\n".join(bad)
    unneeded = allowed.keys() - {name for one in found for name in one.names}
    assert not unneeded, f"allowed, but no locked package has them: {', '.join(sorted(unneeded))}"


def service_that_answers(place: Path) -> str:
    """Return the first service that knows a locked package; skip the test if there is none."""
    one = place / "one.txt"
    one.write_text(next(f"{line.split()[0]}\n" for line in lock_lines() if line.startswith("pip-audit==")))
    reasons = []
    for service in SERVICES:
        try:
            if not unknown(audit(one, place, service, seconds=PROBE_S)):
                return service
            reasons.append(f"{service}: it does not know the package pip-audit")
        except NoAnswer as no:
            reasons.append(f"{service}: {no}")
    pytest.skip(f"no advisory service can be reached ({'; '.join(reasons)})")


def lock_lines() -> list[str]:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [line.removesuffix("\\").strip() for line in lines if line and not line.startswith(("#", " "))]


@pytest.mark.full
@pytest.mark.network
def test_no_locked_package_has_a_known_advisory(tmp_path: Path) -> None:
    service = service_that_answers(tmp_path)
    try:
        report = audit(LOCK, tmp_path, service, seconds=AUDIT_S)
    except NoAnswer as no:  # it answered before; another test checks that the lock can be read
        pytest.skip(f"the advisory service {service} stopped answering ({no})")
    check(report, ALLOWED)
    if unread := unknown(report):
        pytest.skip(f"the advisory service {service} does not know {', '.join(unread)}; the others have no advisory")


# Without network: pip-audit with a local service that has one advisory

ADVISORY = {
    "id": "GHSA-cpwx-vrp4-4pq7",
    "aliases": ["CVE-2025-27516"],
    "summary": "Jinja2 vulnerable to sandbox breakout through attr filter selecting format method",
    "schema_version": "1.4.0",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.6"}]}],
        }
    ],
}
TEXT = "jinja2 3.1.5: CVE-2025-27516 (GHSA-cpwx-vrp4-4pq7), fixed in 3.1.6"


@contextmanager
def advisory_service(status: int = 200) -> Iterator[tuple[list[tuple[str, str]], list[str]]]:
    """Run a local advisory service; yields its queries, and the options of pip-audit to use it."""
    queries: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            pin = (query["package"]["name"], query["version"])
            queries.append(pin)
            body = json.dumps({"vulns": [ADVISORY]} if pin == ("jinja2", "3.1.5") else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield queries, ["osv", "--osv-url", f"http://127.0.0.1:{server.server_port}/v1/query"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pins(place: Path, *lines: str) -> Path:
    path = place / "pins.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.full
def test_an_advisory_is_found_with_its_fixed_version(tmp_path: Path) -> None:
    with advisory_service() as (_, service):
        report = audit(pins(tmp_path, "jinja2==3.1.5", "idna==3.13"), tmp_path, *service, seconds=60)
    with pytest.raises(AssertionError) as failure:
        check(report, {})
    assert TEXT in str(failure.value)
    assert "idna" not in str(failure.value)
    check(report, {"CVE-2025-27516": "The product renders no untrusted templates."})
    check(report, {"GHSA-cpwx-vrp4-4pq7": "The product renders no untrusted templates."})


@pytest.mark.full
def test_pip_audit_reads_every_entry_of_the_lock(tmp_path: Path) -> None:
    with advisory_service() as (queries, service):
        report = audit(LOCK, tmp_path, *service, seconds=AUDIT_S)
    here = [r for r in map(Requirement, lock_lines()) if r.marker is None or r.marker.evaluate()]
    assert set(queries) == {(r.name, str(r.specifier).removeprefix("==")) for r in here}
    check(report, {})
    assert unknown(report) == []


@pytest.mark.full
def test_refusing_service_counts_as_no_answer(tmp_path: Path) -> None:
    with advisory_service(status=403) as (_, service), pytest.raises(NoAnswer, match="ServiceError"):
        audit(pins(tmp_path, "jinja2==3.1.5"), tmp_path, *service, seconds=60)


@pytest.mark.full
def test_unreachable_service_counts_as_no_answer(tmp_path: Path) -> None:
    with advisory_service() as (_, service):
        pass
    with pytest.raises(NoAnswer, match="ConnectionError"):
        audit(pins(tmp_path, "jinja2==3.1.5"), tmp_path, *service, seconds=60)


def test_hanging_service_counts_as_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match=r"no answer in 0\.1 s"):
        audit(pins(tmp_path, "jinja2==3.1.5"), tmp_path, "osv", seconds=0.1)


def test_reason_is_the_error_logged_by_pip_audit() -> None:
    logged = (
        "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\nERROR:pip_audit._cli:Tip: try another\n"
    )
    assert reason_in(logged) == "Could not connect to PyPI's vulnerability feed"
    assert reason_in("") == "nothing"


def test_package_unknown_to_the_service_is_listed() -> None:
    reason = "Dependency not found on PyPI and could not be audited: idna (3.13)"
    report = {"dependencies": [{"name": "idna", "skip_reason": reason}], "fixes": []}
    check(report, {})
    assert unknown(report) == ["idna"]


def test_unneeded_allowed_advisory_fails() -> None:
    with pytest.raises(AssertionError, match="no locked package has them: CVE-2025-27516"):
        check(
            {"dependencies": [{"name": "idna", "version": "3.13", "vulns": []}], "fixes": []},
            {"CVE-2025-27516": "Old."},
        )
