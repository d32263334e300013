"""TLS connections: libpq's errors are reported without the password."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from fcst.cli.main import main
from fcst.services import health
from fcst.store.migrate import migrate
from tests.engine.outages import OwnServer, needs_pgbouncer, own_server, pgbouncer
from tests.restoring import restored_from
from tests.store.old_versions import LATEST, leave, tables

__all__ = ["own_server"]  # a fixture

PASSWORD = "S3cret"
SYSTEM_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Path]:
    """Files: key and certificate of a local server, its certificate authority, and another authority."""
    authority, other = trustme.CA(), trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("key", "cert", "authority", "other")}
    issued.private_key_pem.write_to_path(files["key"])
    issued.cert_chain_pems[0].write_to_path(files["cert"])
    authority.cert_pem.write_to_path(files["authority"])
    other.cert_pem.write_to_path(files["other"])
    return files


@pytest.fixture
def bouncer(own_server: OwnServer, certificates: dict[str, Path], tmp_path: Path) -> Iterator[str]:
    """The URL, without a query, of a pooler that accepts only encrypted connections."""
    settings = (
        f"client_tls_sslmode = require\nclient_tls_key_file = {certificates['key']}\n"
        f"client_tls_cert_file = {certificates['cert']}\n"
    )
    with pgbouncer(own_server, tmp_path / "pgbouncer", settings) as address:
        yield address.replace("@", f":{PASSWORD}@")


def doctor(address: str, monkeypatch: pytest.MonkeyPatch) -> health.Check:
    monkeypatch.setenv("DATABASE_URL", address)
    (found,) = (check for check in health.run_checks() if check.name == "database")
    assert PASSWORD not in str(found)
    return found


@needs_pgbouncer
def test_encrypted_connection_works_and_is_reported(
    bouncer: str, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("", "?sslmode=require", f"?sslmode=verify-full&sslrootcert={certificates['authority']}"):
        check = doctor(bouncer + query, monkeypatch)
        assert check.is_ok and "encrypted (TLSv1." in check.text, check
    assert main(["status"]) == 0


@pytest.mark.few(1)
@needs_pgbouncer
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sslmode=verify-full&sslrootcert={other}", "certificate verify failed"),
        ("sslmode=verify-full&sslrootcert={missing}", "does not exist"),
        ("sslmode=disable", "SSL required"),
    ],
)
def test_untrusted_server_is_refused_with_the_reason(
    bouncer: str,
    certificates: dict[str, Path],
    query: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = f"{bouncer}?{query.format(**certificates, missing='/nowhere.pem')}"
    check = doctor(address, monkeypatch)
    assert not check.is_ok and said in check.text and "sslmode" in check.hint, check
    assert main(["status"]) == 2
    output = capsys.readouterr()
    assert said in output.err and PASSWORD not in output.out + output.err


@pytest.mark.full
@needs_pgbouncer
def test_host_name_missing_in_the_certificate_is_refused(
    bouncer: str, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = bouncer.replace("127.0.0.1", "another.name") + "?hostaddr=127.0.0.1"
    check = doctor(f"{elsewhere}&sslmode=verify-full&sslrootcert={certificates['authority']}", monkeypatch)
    assert not check.is_ok and "does not match host name" in check.text, check
    assert doctor(f"{elsewhere}&sslmode=require", monkeypatch).is_ok


@pytest.mark.full
@needs_pgbouncer
def test_sslmode_require_refuses_a_server_without_tls(
    own_server: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pgbouncer(own_server, tmp_path / "pgbouncer") as address:
        assert doctor(address, monkeypatch).text.endswith(", not encrypted")
        check = doctor(f"{address}?sslmode=require", monkeypatch)
        assert not check.is_ok and "server does not support SSL" in check.text, check


# A server of another version, with passwords


@pytest.fixture
def system_postgres(certificates: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database on this machine's PostgreSQL, which accepts passwords over TLS only."""
    folder = tmp_path_factory.mktemp("system_postgres")
    identity = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        for path in (folder, *folder.parents):
            if path.is_relative_to("/tmp/"):
                path.chmod(path.stat().st_mode | 0o011)
        os.chown(folder, account.pw_uid, account.pw_gid)
    binaries, data = SYSTEM_BINARIES[-1], folder / "data"

    def run(*command: object) -> None:
        subprocess.run([str(part) for part in command], check=True, cwd=folder, stdout=subprocess.DEVNULL, **identity)

    (folder / "password").write_text(PASSWORD)
    run(binaries / "initdb", "-A", "scram-sha-256", "-U", "fcst", f"--pwfile={folder / 'password'}", "-D", data)
    for name in ("key", "cert"):
        shutil.copy(certificates[name], data / f"{name}.pem")
        (data / f"{name}.pem").chmod(0o600)
        if identity:
            os.chown(data / f"{name}.pem", identity["user"], identity["group"])
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -k '' -c ssl=on -c ssl_cert_file=cert.pem -c ssl_key_file=key.pem"
    run(binaries / "pg_ctl", "start", "-w", "-D", data, "-l", folder / "log", "-o", options)
    root = certificates["authority"]
    yield f"postgresql://fcst:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={root}"
    run(binaries / "pg_ctl", "stop", "-m", "immediate", "-D", data)


@pytest.mark.full
@pytest.mark.skipif(not SYSTEM_BINARIES or not shutil.which("psql"), reason="no other PostgreSQL on this machine")
def test_restore_and_backup_on_an_encrypted_server_of_an_older_version(
    empty_database: str, system_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    leave(LATEST - 1)
    migrate()
    before = tables()
    file = tmp_path / "fcst.backup"
    assert main(["backup", str(file)]) == 0
    monkeypatch.setenv("DATABASE_URL", system_postgres)
    assert main(["restore", str(file)]) == 0, capsys.readouterr().err
    assert restored_from(before, tables()) == file.name and migrate() == []
    there = tmp_path / "there.backup"
    assert main(["backup", str(there)]) == 0, capsys.readouterr().err
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["backup", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "does not support TLS" in said and PASSWORD not in said
    monkeypatch.setenv("DATABASE_URL", system_postgres.replace(PASSWORD, "wr0ng"))
    assert main(["backup", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "password authentication failed" in said and "wr0ng" not in said
