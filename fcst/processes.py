"""Processes of this machine, known by their number and by when they began: numbers come again."""

from pathlib import Path


def start_of(pid: int) -> int | None:
    """Clock ticks from the boot of this machine to the begin of a process; None if it is not there, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
