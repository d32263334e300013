"""Which files of this machine may be read as sales: decided for each load, by who asks for it and where."""

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
        with all that is in them, links followed.
    closed
        folders within them that are not read: they hold files of other people.
    has_hidden
        whether files and folders whose name begins with a dot are read as well.
    """

    roots: Sequence[Path]
    closed: Sequence[Path] = ()
    has_hidden: bool = True

    def allow(self, path: Path) -> bool:
        """Whether this file or folder, with all links followed, may be read."""
        if any(path.is_relative_to(folder) for folder in self.closed):
            return False
        within = (path.relative_to(root) for root in self.roots if path.is_relative_to(root))
        return any(self.has_hidden or not any(part.startswith(".") for part in found.parts) for found in within)

    def refusal(self, path: str) -> InputError:
        """The error for a path outside. It says nothing of what is there, and names no folder but the operator's."""
        named = [str(root) for root in self.roots if root != SAMPLE]
        if not named:
            return InputError(
                "No file of this machine may be read by its path.",
                "Upload the file, or have its folder named in FCST_INGEST_ROOTS.",
            )
        hidden = "" if self.has_hidden else "; hidden files and fcst's own folder are never read"
        return InputError(
            f"{path[:200]} is not in a folder that may be read.",
            f"Allowed are {', '.join(named)} (FCST_INGEST_ROOTS){hidden}.",
        )


def folders_for(spec: IngestSpec, settings: Settings) -> Folders:
    """The folders from which the files of this spec may be read.

    An upload is read from the folder of uploads only. The command line reads every file that its user can read, as
    long as no other people reach the server. Everything else is read from the folders that the operator allows.
    """
    if spec.is_upload:
        return Folders((settings.uploads.resolve(),))
    if spec.is_from_shell and settings.is_local:
        return Folders((Path("/"),))
    return Folders((*settings.ingest_roots, SAMPLE), closed=(settings.home,), has_hidden=False)
