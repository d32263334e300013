"""Settings: sources, validation, sign-in, and the environment of child processes."""

import os
from pathlib import Path

import pytest

from fcst import settings
from fcst.errors import ConfigError
from fcst.settings import PROJECT, SETTINGS, Settings, child_environment, limit_compute_threads, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "SECRETS", tmp_path / ".streamlit" / "secrets.toml")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / ".streamlit").mkdir()
    return tmp_path / ".streamlit" / "secrets.toml"


# Sources


def test_defaults_apply_without_settings() -> None:
    assert load_settings() == Settings(
        database_url=None,
        home=settings.DEFAULT_HOME,
        processes=len(os.sched_getaffinity(0)),
        is_worker_external=False,
        idle_exit_s=120.0,
        lease_s=20.0,
        grace_s=20.0,
        item_limit_s=300.0,
        process_memory=4_000_000_000,
        dask_scheduler=None,
        ingest_memory="1GB",
        ingest_roots=(Path.home(), PROJECT),
        unpack_limit=50_000_000_000,
        private_hosts=None,
        open_address=None,
        hosts=(),
        sign_in_hours=12,
        api_rate=(600, "minute"),
        role_rules=None,
        cookie_secret="",
        webhook=None,
    )
    assert not load_settings().has_sign_in


def test_secrets_override_defaults(secrets: Path) -> None:
    secrets.write_text('DATABASE_URL = "postgresql://a/b"\nFCST_PROCESSES = 3\nFCST_IDLE_EXIT_S = 0\n')
    found = load_settings()
    assert (found.database_url, found.processes, found.idle_exit_s) == ("postgresql://a/b", 3, 0.0)


def test_environment_overrides_secrets(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.write_text('DATABASE_URL = "postgresql://secrets/b"\nFCST_LEASE_S = "30"\n')
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/b")
    found = load_settings()
    assert (found.database_url, found.lease_s) == ("postgresql://environment/b", 30.0)


@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_environment_variable_counts_as_unset(blank: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.write_text("FCST_PROCESSES = 3\n")
    for name in SETTINGS:
        monkeypatch.setenv(name, blank)
    found = load_settings()
    assert (found.database_url, found.home, found.processes) == (None, settings.DEFAULT_HOME, 3)


def test_surrounding_spaces_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", " postgresql://a/b\n")
    assert load_settings().database_url == "postgresql://a/b"


def test_settings_are_read_on_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for processes in (2, 5):
        monkeypatch.setenv("FCST_PROCESSES", str(processes))
        assert load_settings().processes == processes


@pytest.mark.parametrize("content", [b"DATABASE_URL = unquoted", b'A = "\xe9"'])
def test_invalid_secrets_file_is_refused_with_its_path(secrets: Path, content: bytes) -> None:
    secrets.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(secrets) in caught.value.message
    assert caught.value.hint


# Validation


@pytest.mark.parametrize(
    "name", ["FCST_PROCESSES", "FCST_IDLE_EXIT_S", "FCST_LEASE_S", "FCST_GRACE_S", "FCST_ITEM_LIMIT_S"]
)
@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf", "1,5", "0x4"])
def test_invalid_number_is_refused_with_its_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.message == f"{name} is {value!r}."
    assert "a number of at least" in caught.value.hint


@pytest.mark.parametrize("name", ["FCST_PROCESSES", "FCST_LEASE_S", "FCST_ITEM_LIMIT_S"])
def test_zero_is_refused_where_invalid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "0")
    with pytest.raises(ConfigError, match=name):
        load_settings()


def test_invalid_number_in_the_secrets_is_refused_with_its_name(secrets: Path) -> None:
    secrets.write_text('FCST_LEASE_S = "soon"\n')
    with pytest.raises(ConfigError, match="FCST_LEASE_S is 'soon'"):
        load_settings()


@pytest.mark.parametrize(("value", "is_external"), [("auto", False), ("external", True)])
def test_worker_setting_is_auto_or_external(value: str, is_external: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_WORKER", value)
    assert load_settings().is_worker_external is is_external


@pytest.mark.parametrize("value", ["External", "none", "0"])
def test_other_worker_values_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_WORKER", value)
    with pytest.raises(ConfigError, match=f"FCST_WORKER is '{value}'"):
        load_settings()


@pytest.mark.parametrize(
    ("value", "n_bytes"),
    [
        ("500MB", 500_000_000),
        ("2GB", 2_000_000_000),
        ("1.5 GB", 1_500_000_000),
        ("2GiB", 2 << 30),
        ("100kb", 100_000),
        ("1TB", 10**12),
    ],
)
def test_size_is_read_with_its_unit(value: str, n_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_UNPACK_LIMIT", value)
    monkeypatch.setenv("FCST_INGEST_MEMORY", value)
    found = load_settings()
    assert (found.unpack_limit, found.ingest_memory) == (n_bytes, value)


@pytest.mark.parametrize("name", ["FCST_INGEST_MEMORY", "FCST_UNPACK_LIMIT"])
@pytest.mark.parametrize("value", ["much", "2", "GB", "-1GB", "1,5GB", "2GB'; DROP", "80%"])
def test_invalid_size_is_refused_with_its_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.message == f"{name} is {value!r}."
    assert "500MB" in caught.value.hint


# Ingest folders


def test_several_folders_are_separated_by_colons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FCST_INGEST_ROOTS", f"/data/sales:~/mine: :here/../there:{tmp_path}")
    assert load_settings().ingest_roots == (Path("/data/sales"), tmp_path / "mine", tmp_path / "there", tmp_path)


def test_links_in_allowed_folders_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(tmp_path / "link"))
    assert load_settings().ingest_roots == (tmp_path / "real",)


def test_folder_of_an_unknown_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_INGEST_ROOTS", "~nobody-of-this-name/sales")
    with pytest.raises(ConfigError, match="FCST_INGEST_ROOTS"):
        load_settings()


# Home


def test_relative_home_is_resolved_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCST_HOME", "here/../mine")
    assert load_settings().home == tmp_path / "mine"


def test_tilde_in_home_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FCST_HOME", "~/mine")
    assert load_settings().home == tmp_path / "mine"


def test_logs_and_uploads_are_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_HOME", str(tmp_path))
    assert (load_settings().logs, load_settings().uploads) == (tmp_path / "logs", tmp_path / "uploads")


# Child processes


def test_child_process_has_the_same_home_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCST_HOME", "mine")
    monkeypatch.setenv("MARK", "kept")
    environment = child_environment()
    assert environment["FCST_HOME"] == str(tmp_path / "mine")
    assert environment["MARK"] == "kept"


def test_child_process_gets_the_default_home() -> None:
    assert child_environment()["FCST_HOME"] == str(settings.DEFAULT_HOME)


def test_child_environment_does_not_change_the_own_one(monkeypatch: pytest.MonkeyPatch) -> None:
    child_environment()
    assert "FCST_HOME" not in os.environ


def test_numeric_libraries_are_limited_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "8")
    limit_compute_threads()
    assert [os.environ[name] for name in names] == ["1"] * 4


def test_every_setting_has_a_default_and_a_purpose() -> None:
    assert all(default and purpose for default, purpose in SETTINGS.values())


# Sign-in


AUTH = """[auth]
redirect_uri = "https://fcst.shop.example:8443/oauth2callback"
client_id = "fcst"
{lines}
[roles]
admin = ["ada@shop.example"]
"""


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ('cookie_secret = "change me: 16 characters or more"', "cookie_secret"),
        ('cookie_secret = "CHANGE_ME_CHANGE_ME_CHANGE_ME"', "cookie_secret"),
        ('cookie_secret = "xxxxxxxxxxxxxxxxxxxxxxxx"', "cookie_secret"),
        ('cookie_secret = "<a long random text>"', "cookie_secret"),
        ('client_secret = "change me"', "client_secret"),
        ('client_secret = "change-me"', "client_secret"),
        ('client_secret = "xxx"', "client_secret"),
        ('client_secret = "your client secret"', "client_secret"),
        ('[auth.google]\nclient_secret = "change me"', "client_secret"),
    ],
)
def test_example_secret_is_refused(secrets: Path, lines: str, name: str) -> None:
    secrets.write_text(AUTH.replace("{lines}", lines))
    with pytest.raises(ConfigError, match=f"has a {name} that is an example"):
        load_settings()


def test_cookie_secret_is_optional_but_not_short(secrets: Path) -> None:
    secrets.write_text(AUTH.replace("{lines}", 'client_secret = "w5Zk-3fYq"'))
    assert load_settings().has_sign_in and load_settings().cookie_secret == ""
    secrets.write_text(AUTH.replace("{lines}", 'cookie_secret = "w5Zk-3fYq"'))
    with pytest.raises(ConfigError, match="cookie_secret of fewer than 16"):
        load_settings()
    secrets.write_text(AUTH.replace("{lines}", 'cookie_secret = "w5Zk-3fYqw5Zk-3fYq"'))
    assert load_settings().cookie_secret == "w5Zk-3fYqw5Zk-3fYq"
    assert "w5Zk" not in repr(load_settings())


def test_default_ingest_roots_are_for_local_use_only(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(secrets.parent))
    assert load_settings().ingest_roots == (secrets.parent.resolve(), PROJECT)
    monkeypatch.setenv("HOME", "/")  # a system account
    assert load_settings().ingest_roots == (PROJECT,)
    monkeypatch.setenv("FCST_OPEN_ADDRESS", "0.0.0.0")
    assert load_settings().ingest_roots == () and not load_settings().is_local
    monkeypatch.delenv("FCST_OPEN_ADDRESS")
    secrets.write_text(AUTH.replace("{lines}", ""))
    assert load_settings().ingest_roots == () and not load_settings().is_local
    monkeypatch.setenv("FCST_INGEST_ROOTS", "/data")
    assert load_settings().ingest_roots == (Path("/data"),)


def test_hosts_are_those_set_and_the_sign_in_host(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_HOSTS", "Plan.Shop.example., *.team.example,")
    assert load_settings().hosts == ("plan.shop.example", "*.team.example")
    secrets.write_text(AUTH.replace("{lines}", ""))
    assert load_settings().hosts[-1] == "fcst.shop.example"


@pytest.mark.parametrize("value", ["https://x.example", "x.example:80", "*", "a b", "x.*.example", "a/b", "user@x"])
def test_invalid_host_name_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("FCST_HOSTS", value)
    with pytest.raises(ConfigError, match="FCST_HOSTS"):
        load_settings()


@pytest.mark.parametrize(("value", "hours"), [("0.5", 0.5), ("100000", 720)])
def test_sign_in_hours_are_limited(monkeypatch: pytest.MonkeyPatch, value: str, hours: float) -> None:
    monkeypatch.setenv("FCST_SIGN_IN_HOURS", value)
    assert load_settings().sign_in_hours == hours
