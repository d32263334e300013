"""Datasets that are loaded from a source and refreshed: files, web addresses, databases."""

import csv
import gzip
import http.server
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import psycopg2
import pytest

from fcst.data_sources import DataSource, SourceKind
from fcst.dataset_records import Dataset
from fcst.engine.task import run_ingest
from fcst.errors import BadRows, ConfigError, Conflict, InputError, NotAllowed, NotFound
from fcst.fetch import http as http_fetch
from fcst.fetch import limits
from fcst.roles import Actor, Scope
from fcst.services import data_sources, datasets, identity, loading
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import ingests
from fcst.store.database import transaction
from tests.databases import url as database_url

FIRST = date(2020, 1, 5)  # a Sunday


def rows(n_weeks: int, first: int = 0) -> list[tuple[str, str, float]]:
    return [
        (str(FIRST + timedelta(days=7 * week + day)), item, units + week % 3)
        for week in range(first, n_weeks)
        for item, units in (("a", 10.0), ("b", 33.5), ("=c", 7.0))
        for day in (0, 6)
    ]


def write(path: Path, n_weeks: int, first: int = 0, header: str = "date,item_nbr,unit_sales") -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows(n_weeks, first)])
    return path


def finish(ingest_id: int) -> Dataset:
    """Runs an ingest as a supervisor's task does."""
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None and claimed.ingest_id == ingest_id
    run_ingest(claimed.ingest_id, claimed.attempt)
    return loading.wait_for_ingest(ingest_id)


def load(source: DataSource, **options: object) -> Dataset:
    return finish(data_sources.load(source, IngestSpec((), "shop", from_source=True, **options)))


def refresh() -> Dataset:
    return finish(data_sources.refresh("shop"))


def files(*paths: object) -> DataSource:
    return DataSource(SourceKind.FILES, ";".join(map(str, paths)))


# Files


def test_refresh_reads_the_files_again_and_says_what_changed(database: str, tmp_path: Path) -> None:
    write(tmp_path / "s1.csv", 60)
    source = files(tmp_path / "s*.csv")
    first = load(source)
    assert (first.version, first.n_weeks, first.n_items) == (1, 60, 3)
    assert first.spec.paths == () and first.spec.from_source
    write(tmp_path / "s2.csv", 63, first=60)
    second = refresh()
    assert (second.version, second.n_weeks) == (2, 63)
    assert second.report.change_lines() == ["3 new weeks since version 1.", "The history is that of version 1."]
    assert refresh().report.same_as_version == 2


def test_refresh_reads_by_the_mapping_of_the_first_load(database: str, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", 60, header="day,sku,qty")
    load(files(path), mapping={"item": ["sku"], "sales": ["qty"]}, include_promo=True, week_end="SAT")
    stored = data_sources.find_source("shop")
    assert stored is not None
    assert stored.spec.mapping["date"] == ["day"] and stored.spec.date_format == "%Y-%m-%d"
    with path.open() as file:
        lines = [row[::-1] for row in csv.reader(file)]  # other order of columns
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    again = refresh()
    assert again.report.same_as_version == 1 and again.include_promo


@pytest.mark.parametrize(
    ("header", "words"), [("day,sku,units", "qty"), ("day,article,qty", "sku"), ("moment,sku,qty", "day")]
)
def test_a_renamed_column_fails_the_refresh_and_names_it(
    database: str, tmp_path: Path, header: str, words: str
) -> None:
    path = write(tmp_path / "s.csv", 60, header="day,sku,qty")
    load(files(path), mapping={"item": ["sku"], "date": ["day"], "sales": ["qty"]})
    write(path, 61, header=header)
    with pytest.raises(InputError, match=f"has no column '{words}'"):
        refresh()
    assert [row.version for row in datasets.list_versions("shop")] == [1]


def test_a_column_of_another_type_is_refused_and_its_good_rows_can_be_loaded(database: str, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", 60)
    load(files(path))
    with path.open("a") as file:
        file.write(f"{FIRST + timedelta(days=419)},a,many\n")
    ingest_id = data_sources.refresh("shop")
    with pytest.raises(BadRows, match="1 of "):
        finish(ingest_id)
    assert finish(loading.request_valid_rows(ingest_id)).report.bad_rows.n == 1


def test_a_pattern_outside_the_allowed_folders_does_not_reveal_what_exists(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "closed").mkdir()
    write(tmp_path / "closed" / "s.csv", 60)
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(tmp_path / "open"))
    for pattern in ("closed/*.csv", "closed/no*.csv", "open/../closed/*.csv"):
        with pytest.raises(InputError, match="is not in an allowed folder"):
            load(files(tmp_path / pattern))
    with pytest.raises(InputError, match="No file matches"):
        load(files(tmp_path / "open" / "*.csv"))
    (tmp_path / "open" / "link.csv").symlink_to(tmp_path / "closed" / "s.csv")
    with pytest.raises(InputError, match="is not in an allowed folder"):
        load(files(tmp_path / "open" / "*.csv"))


# Requests


def test_two_refreshes_at_once_are_refused(database: str, tmp_path: Path) -> None:
    load(files(write(tmp_path / "s.csv", 60)))
    first = data_sources.refresh("shop")
    with pytest.raises(Conflict, match=f"has not ended: ingest {first}"):
        data_sources.refresh("shop")
    finish(first)
    finish(data_sources.refresh("shop"))


def test_a_source_ends_with_its_dataset_or_when_it_is_removed(database: str, tmp_path: Path) -> None:
    dataset = load(files(write(tmp_path / "s.csv", 60)))
    assert [row.dataset for row in data_sources.list_sources()] == ["shop"]
    data_sources.remove("shop")
    with pytest.raises(NotFound, match="has no source"):
        data_sources.refresh("shop")
    with pytest.raises(NotFound):
        data_sources.remove("shop")
    second = load(files(tmp_path / "s.csv"))
    datasets.delete_dataset(dataset.dataset_id)
    assert data_sources.find_source("shop") is not None
    datasets.delete_dataset(second.dataset_id)
    assert data_sources.list_sources() == []


def test_a_source_that_is_removed_before_it_is_read_fails_the_refresh(database: str, tmp_path: Path) -> None:
    load(files(write(tmp_path / "s.csv", 60)))
    ingest_id = data_sources.refresh("shop")
    data_sources.remove("shop")
    with pytest.raises(InputError, match="was removed"):
        finish(ingest_id)


def test_only_administrators_set_sources_with_a_secret(database: str, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", 60)
    with identity.acting_as(Actor("ann", Scope.RUN)):
        load(files(path))
        with pytest.raises(NotAllowed):
            data_sources.load(DataSource("sql", query="SELECT 1", secret="x"), IngestSpec((), "shop", from_source=True))
        with pytest.raises(NotAllowed):
            data_sources.fetch_preview(DataSource("url", "https://example.com/a.csv", secret="x"))
        refresh()
    with identity.acting_as(Actor("eve", Scope.READ)), pytest.raises(NotAllowed):
        data_sources.refresh("shop")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"kind": "files"}, "No files on the server given"),
        ({"kind": "files", "location": "a", "secret": "x"}, "need no secret"),
        ({"kind": "url", "location": "ftp://host/a"}, "not a web address"),
        ({"kind": "url", "location": "https://u:p@host/a"}, "contains a user or password"),
        ({"kind": "url", "location": "https://host:x/a"}, "cannot be read"),
        ({"kind": "storage", "location": "file:///etc/passwd"}, "not an object in a storage"),
        ({"kind": "storage", "location": "/etc/passwd"}, "not an object in a storage"),
        ({"kind": "sql", "query": " ", "secret": "x"}, "no SQL query"),
        ({"kind": "sql", "query": "SELECT 1"}, "No database"),
        ({"kind": "sql", "query": "SELECT 1", "secret": "../x"}, "name of a secret"),
        ({"kind": "files", "location": "a\nb"}, "control characters"),
    ],
)
def test_a_source_that_cannot_work_is_refused(parts: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        DataSource(**parts)


# HTTP


class Site:
    """A web server whose answers the tests set."""

    def __init__(self) -> None:
        self.answers: list[Callable[[http.server.BaseHTTPRequestHandler], None]] = []
        self.requests: list[dict[str, str]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                answer = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(http_fetch, "WAITS_S", (0.01, 0.01))
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()


def content(body: bytes, length: int | None = None, status: int = 200, **headers: str) -> Callable:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body)

    return answer


def sales(tmp_path: Path, n_weeks: int = 60) -> bytes:
    return write(tmp_path / "x.csv", n_weeks).read_bytes()


def test_a_file_at_a_web_address_is_fetched_and_refreshed(
    database: str, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_SECRET_SHOP", "Bearer s3cret")
    site.answers = [content(gzip.compress(sales(tmp_path)))]
    source = DataSource("url", f"{site.url}/export/sales.csv.gz?week=1", secret="shop")
    dataset = load(source)
    assert dataset.n_weeks == 60 and dataset.report.files[0].name == "sales.csv.gz › sales.csv"
    assert site.requests[0]["authorization"] == "Bearer s3cret"
    site.answers = [content(b"", status=503), content(gzip.compress(sales(tmp_path, 61)))]
    assert refresh().n_weeks == 61
    with transaction() as cur:
        cur.execute("SELECT string_agg(to_jsonb(s)::text, '') AS t FROM fcst_app.data_sources s")
        assert "s3cret" not in cur.fetchone()["t"]
    assert not list((load_settings().home / "tmp").iterdir())


@pytest.mark.parametrize(
    ("answer", "words", "n_requests"),
    [
        (content(b"", status=404), "answered 404", 1),
        (content(b"", status=403), "answered 403", 1),
        (content(b"", status=500), "answered 500", 3),
        (content(b"date,item_nbr,unit_sales\n2020-01-05,a,1\n", length=10_000), "cannot be read", 3),
        (content(b""), "is empty", 1),
        (content(b"<html>maintenance</html>"), "sales.csv", 1),
        (content(b"", status=302, Location="ftp://x/y"), "cannot be read", 3),
        (lambda request: request.connection.close(), "cannot be read", 3),
    ],
    ids=["gone", "forbidden", "broken", "half", "empty", "page", "other_protocol", "closed"],
)
def test_a_faulty_answer_fails_the_load_and_keeps_nothing(
    database: str, site: Site, answer: Callable, words: str, n_requests: int
) -> None:
    site.answers = [answer]
    with pytest.raises(InputError, match=words):
        load(DataSource("url", f"{site.url}/sales.csv"))
    assert len(site.requests) == n_requests
    assert datasets.list_datasets() == []
    assert not list((load_settings().home / "tmp").iterdir())


def test_an_endless_answer_ends_at_the_limit_of_bytes(
    database: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_UNPACK_LIMIT", "1MB")

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"2020-01-05,a,1\n" * 1000)
        except OSError:
            pass

    site.answers = [answer]
    with pytest.raises(InputError, match="sends more than 0.0 GB"):
        load(DataSource("url", f"{site.url}/sales.csv"))


def test_a_silent_server_ends_at_the_limit_of_time(database: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_fetch, "SILENCE_S", 0.2)
    done = threading.Event()
    site.answers = [lambda request: done.wait(10)]
    with pytest.raises(InputError, match="cannot be read"):
        load(DataSource("url", f"{site.url}/sales.csv"))
    done.set()


def test_a_slow_server_ends_at_the_limit_of_the_whole_fetch(
    database: str, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMIT_S", -1.0)
    site.answers = [content(sales(tmp_path))]
    with pytest.raises(InputError, match="takes longer than"):
        load(DataSource("url", f"{site.url}/sales.csv"))


def test_private_addresses_are_refused_unless_allowed(
    database: str, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_PRIVATE_HOSTS", "other.example")
    site.answers = [content(sales(tmp_path))]
    port = site.server.server_port
    hosts = (
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "[::ffff:127.0.0.1]",
        "2130706433",
    )
    for host in hosts:
        with pytest.raises(InputError, match=r"has an address that is not public|cannot be read"):
            load(DataSource("url", f"http://{host}:{port}/sales.csv"))
    assert not site.requests
    monkeypatch.setenv("FCST_PRIVATE_HOSTS", "127.0.0.1")
    assert load(DataSource("url", f"http://127.0.0.1:{port}/sales.csv")).n_weeks == 60
    site.answers = [content(b"", status=302, Location=f"http://localhost:{port}/sales.csv")]
    with pytest.raises(InputError, match="localhost has an address that is not public"):
        load(DataSource("url", f"http://127.0.0.1:{port}/sales.csv"))
    assert load_settings().private_hosts == ("127.0.0.1",)


# Databases


@pytest.fixture
def shop(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A second Postgres database with a table of sales; returns a function that runs a statement there."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    address = database_url(server, name)

    @contextmanager
    def connect(to: str) -> Iterator[psycopg2.extensions.cursor]:
        con = psycopg2.connect(to)
        con.autocommit = True
        try:
            with con.cursor() as cur:
                yield cur
        finally:
            con.close()

    with connect(database_url(server, "postgres")) as cur:
        cur.execute(f"CREATE DATABASE {name}")
    with connect(address) as cur:
        cur.execute("CREATE TABLE sales (day timestamptz, sku text, qty numeric, note text)")
        cur.executemany("INSERT INTO sales VALUES (%s, %s, %s, NULL)", rows(60))
    monkeypatch.setenv("FCST_SECRET_SHOP", address)

    def run(statement: str) -> list[tuple]:
        with connect(address) as cur:
            cur.execute(statement)
            return cur.fetchall() if cur.description else []

    yield run
    with connect(database_url(server, "postgres")) as cur:
        cur.execute(f"DROP DATABASE {name} WITH (FORCE)")


QUERY = "SELECT day::date AS date, sku, qty FROM sales -- all of them"


def sql(query: str, secret: str = "shop") -> DataSource:
    return DataSource("sql", query=query, secret=secret)


def test_a_query_on_another_postgres_gives_what_a_file_with_its_rows_gives(
    database: str, tmp_path: Path, shop: Callable
) -> None:
    dataset = load(sql(QUERY + "\n;"))
    other = finish(loading.request_ingest(IngestSpec((str(write(tmp_path / "s.csv", 60)),), "file")))
    assert dataset.report.content == other.report.content
    shop("INSERT INTO sales SELECT day + interval '35 days', sku, qty FROM sales")
    again = refresh()
    assert (again.version, again.n_weeks) == (2, 65)
    assert again.report.changes is not None and again.report.changes.n_new_weeks == 5


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM sales RETURNING *",
        "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone",
        "SELECT 1) TO STDOUT; COMMIT; DELETE FROM sales; COPY (SELECT 1",
        "SELECT 1; COMMIT; DELETE FROM sales",
        "SELECT 1; DELETE FROM sales; SELECT 2",
        "COMMIT",
        "DROP TABLE sales",
        "SELECT 1 /*",
        "SELECT '",
        "SELECT nextval('n')",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1 INTO t",
        "COPY sales TO PROGRAM 'true'",
        "DO $$BEGIN DELETE FROM sales; END$$",
        "SELECT pg_advisory_lock(1), no_such_column FROM sales",
    ],
)
def test_a_query_that_writes_or_is_not_one_statement_is_refused(database: str, shop: Callable, query: str) -> None:
    shop("CREATE SEQUENCE n")
    before = shop("SELECT count(*) FROM sales")
    with pytest.raises(InputError, match="refuses the query"):
        load(sql(query))
    assert shop("SELECT count(*) FROM sales") == before
    assert shop("SELECT last_value, is_called FROM n") == [(1, False)]
    assert shop("SELECT count(*) FROM pg_class WHERE relname = 't'") == [(0,)]


def test_a_query_without_rows_is_refused(database: str, shop: Callable) -> None:
    with pytest.raises(InputError, match="has no rows"):
        load(sql("SELECT * FROM sales WHERE false"))


def test_an_endless_query_ends_at_a_limit(database: str, shop: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_UNPACK_LIMIT", "1MB")
    with pytest.raises(InputError, match="sends more than"):
        load(sql("SELECT date '2020-01-05', generate_series(1, 1000000000000), 1"))
    from fcst.fetch import databases

    monkeypatch.setattr(databases, "LIMIT_S", 0.3)
    with pytest.raises(InputError, match="statement timeout"):
        load(sql("SELECT pg_sleep(60)"))


def test_a_database_that_is_away_fails_the_load_without_its_password(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_SECRET_AWAY", "postgresql://ann:s3cret@127.0.0.1:9/shop")
    with pytest.raises(InputError, match="cannot be reached") as caught:
        load(sql("SELECT 1", "away"))
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv("FCST_SECRET_AWAY", "postgresql://ann:s3cret@:x:/y")
    with pytest.raises(InputError) as caught:
        load(sql("SELECT 1", "away"))
    assert "s3cret" not in str(caught.value)
    with pytest.raises(InputError, match="There is no secret 'gone'"):
        load(sql("SELECT 1", "gone"))


def test_a_preview_fetches_the_first_rows_only(database: str, shop: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sources, "PREVIEW_ROWS", 5)
    (path,), is_copy = data_sources.fetch_preview(sql(QUERY))
    assert is_copy and Path(path).read_text().count("\n") == 6
    loading.discard_upload(path)
    with pytest.raises(InputError):
        data_sources.fetch_preview(sql("SELECT x"))
    assert not list(load_settings().uploads.iterdir())


def test_a_query_by_sqlalchemy_gives_the_same_and_cannot_write(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.db") as con:
        con.execute("CREATE TABLE sales (day text, sku text, qty real)")
        con.executemany("INSERT INTO sales VALUES (?, ?, ?)", rows(60))
    con.close()
    monkeypatch.setenv("FCST_SECRET_LITE", f"sqlite:///{tmp_path}/shop.db")
    dataset = load(sql("SELECT day AS date, sku, qty FROM sales WHERE sku LIKE '%' AND day <> ':x'", "lite"))
    other = finish(loading.request_ingest(IngestSpec((str(write(tmp_path / "s.csv", 60)),), "file")))
    assert dataset.report.content == other.report.content
    for query, words in (
        ("DELETE FROM sales", "refuses the query|returns no table"),
        ("DELETE FROM sales RETURNING *", "refuses the query"),
        ("SELECT 1; DELETE FROM sales", "refuses the query"),
        ("SELECT * FROM nosuch", "no such table"),
        ("SELECT * FROM sales WHERE 0", "has no rows"),
    ):
        with pytest.raises(InputError, match=words):
            load(sql(query, "lite"))
    with sqlite3.connect(tmp_path / "shop.db") as con:
        assert con.execute("SELECT count(*) FROM sales").fetchone() == (len(rows(60)),)
    con.close()
    for secret, words in (("nosuch://x", "not the URL of a database"), ("mysql+pymysql://x/y", "is not installed")):
        monkeypatch.setenv("FCST_SECRET_LITE", secret)
        with pytest.raises((InputError, ConfigError), match=words):
            load(sql("SELECT 1", "lite"))


# Object storage


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], None]]:
    """A bucket of a local S3 server; returns a function that puts an object into it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"key": "testing", "secret": "s3cret"}
    monkeypatch.setenv("FCST_SECRET_STORE", json.dumps({**keys, "client_kwargs": {"endpoint_url": endpoint}}))
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="s3cret",
    )
    client.create_bucket(Bucket="shop")
    yield lambda key, body: client.put_object(Bucket="shop", Key=key, Body=body)
    server.stop()


@pytest.mark.full
def test_objects_of_a_storage_are_fetched_by_pattern(database: str, tmp_path: Path, bucket: Callable) -> None:
    bucket("sales/2020.csv", sales(tmp_path, 60))
    bucket("other/x.csv", b"nothing")
    source = DataSource("storage", "s3://shop/sales/*.csv", secret="store")
    assert load(source).n_weeks == 60
    bucket("sales/2021.csv", write(tmp_path / "y.csv", 62, first=60).read_bytes())
    assert refresh().n_weeks == 62
    for location in ("s3://shop/none/*.csv", "s3://shop/none.csv", "s3://nothing/a.csv"):
        with pytest.raises(InputError, match="There is no object|cannot be read"):
            load(DataSource("storage", location, secret="store"))
