"""Terminal output escapes control characters; JSON output has the original values."""

import json
from collections.abc import Callable

import pytest

from fcst import terminal
from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.escaping import for_terminal
from fcst.store.database import transaction
from tests.computed_runs import run

NASTY = "a\x1b[2J\x9b1m\x07\u202eb\u2066\u200f\x7f"
ESCAPED = r"a\x1b[2J\x9b1m\x07\u202eb\u2066\u200f\x7f"


def test_all_print_functions_escape_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_message(f"say {NASTY}")
    terminal.say_error(InputError(f"There is no {NASTY}.", f"Take {NASTY}."))
    terminal.print_output(f"show {NASTY}\nÄ")
    terminal.print_table([{"name": NASTY, "n": 1}, {"name": "b\r\n c\udc9b", "n": 2}], "name", "n")
    out, err = capsys.readouterr()
    assert err == f"say {ESCAPED}\nThere is no {ESCAPED}.\nTake {ESCAPED}.\n"
    width = len(ESCAPED)
    table = ["name".ljust(width) + "  n", f"{ESCAPED}  1", r"b c\udc9b".ljust(width) + "  2"]
    assert out.splitlines() == [f"show {ESCAPED}", "Ä", *table]


def test_json_keeps_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({NASTY: [NASTY, "Ä", "\u2028\udc9b"]})
    out = capsys.readouterr().out
    assert json.loads(out) == {NASTY: [NASTY, "Ä", "\u2028\udc9b"]}
    assert for_terminal(out) == out and "Ä" in out and r"\u202e" in out


@pytest.mark.parametrize(
    "arguments", [[NASTY], ["status", NASTY], ["export", "1", "--format", NASTY], ["doctor", NASTY]]
)
def test_refused_arguments_are_escaped(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    err = capsys.readouterr().err
    assert ended.value.code == 2 and for_terminal(err) == err and "error:" in err


def test_names_keys_and_errors_from_the_database_are_escaped(
    load_dataset: Callable[..., Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = run(load_dataset(name="s"), 2, models=("SeasonalNaive",), n_windows=1, h=1).job_id
    with transaction() as cur:
        names = {"name": NASTY}
        cur.execute("UPDATE fcst_app.datasets SET name = %(name)s", names)
        cur.execute("UPDATE fcst_app.jobs SET name = %(name)s", names)
        cur.execute("UPDATE fcst_app.batch_status SET error = %(name)s", names)
        for table in ("items", "job_items", "metrics"):
            cur.execute(f"UPDATE fcst_app.{table} SET unique_id = %(name)s || unique_id", names)
    commands = {
        ("datasets",): 0,
        ("status",): 0,
        ("status", str(job_id)): 0,
        ("batches", str(job_id)): 0,
        ("metrics", str(job_id), "--by", "item"): 0,
        ("prune", "--keep", "0", "--dry-run"): 0,
        ("actions",): 0,
        ("submit", "--dataset", NASTY, "--item", NASTY): 2,
        ("submit", "--dataset", "nowhere"): 2,
        ("export", str(job_id), "--item", NASTY): 2,
    }
    for arguments, code in commands.items():
        assert main(arguments) == code, arguments
        out, err = capsys.readouterr()
        assert for_terminal(out + err) == out + err, arguments
        if arguments[0] in ("datasets", "batches", "metrics"):
            assert ESCAPED in out, arguments
        if code == 0 and arguments[0] not in ("actions",) and len(arguments) < 3:
            assert main([*arguments, "--json"]) == 0
            out = capsys.readouterr().out
            assert for_terminal(out) == out and json.loads(out), arguments
            assert arguments[0] != "datasets" or json.loads(out)[0]["name"] == NASTY
