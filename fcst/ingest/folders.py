"""Folder access of loads: which files on the server may be read, depending on the source of the request."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fcst.errors import InputError
from fcst.settings import SAMPLE, Settings
from fcst.specs import IngestSpec


@dataclass(frozen=True)
class Folders:
    """Folders whose files may be read.

    Parameters
    ----------
    roots
        allowed folders with everything below them, links resolved.
    closed
        folders below the roots that must not be read: they contain files of other users.
    has_hidden
        allow files and folders whose name begins with a dot.
    """

    roots: Sequence[Path]
    closed: Sequence[Path] = ()
    has_hidden: bool = True

    def allow(self, path: Path) -> bool:
        """Whether this file or folder, links resolved, may be read."""
        if any(path.is_relative_to(folder) for folder in self.closed):
            return False
        within = (path.relative_to(root) for root in self.roots if path.is_relative_to(root))
        return any(self.has_hidden or not any(part.startswith(".") for part in found.parts) for found in within)

    def refusal(self, path: str) -> InputError:
        """The error for a path outside the roots. Names only configured roots, not whether the path exists."""
        named = [str(root) for root in self.roots if root != SAMPLE]
        if not named:
            return InputError(
                "Files on the server cannot be read by path.",
                "Upload the file, or ask the operator to add its folder to FCST_INGEST_ROOTS.",
            )
        hidden = "" if self.has_hidden else "; hidden files and fcst's own folder are never read"
        return InputError(
            f"{path[:200]} is not in an allowed folder.",
            f"Allowed folders (FCST_INGEST_ROOTS): {', '.join(named)}{hidden}.",
        )


def folders_for(spec: IngestSpec, settings: Settings) -> Folders:
    """The folders that a spec may read files from.

    An upload: only the folder of uploads. The command line: every file its user can read, as long as the server is
    local only. Everything else: the folders that the operator allows.
    """
    if spec.is_upload:
        return Folders((settings.uploads.resolve(),))
    if spec.is_from_shell and settings.is_local:
        return Folders((Path("/"),))
    return Folders((*settings.ingest_roots, SAMPLE), closed=(settings.home,), has_hidden=False)
