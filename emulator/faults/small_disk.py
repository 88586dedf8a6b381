"""A real small file system in the place of a folder: when it is full, the kernel says so.

Theory of operation. A tmpfs of just the right size is filled with a copy of the folder and mounted over
it; who has the folder's path finds the same files, and no room. When it is taken away, what changed
meanwhile is carried over to the folder underneath.

Nothing acknowledged may get lost in the change-over, although threads of a role may be writing. They
write a file under a name that ends in ``.tmp`` and rename it: such files are never copied, so that the
rename fails and the writer knows. What was renamed between our copy and the mount, or between our
last look and the unmount, is found afterwards through a descriptor of the hidden folder.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

from emulator.errors import FaultRefused

PAGE = 4096
_BIND, _DETACH = 4096, 2  # MS_BIND, MNT_DETACH
UNFINISHED = ".tmp"


class SmallDisk:
    """One folder on a file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._base: Path | None = None
        self._beneath = -1  # the folder under the mount

    def mount(self, free_bytes: int) -> int:
        """Put the small file system in place, with so many bytes free; returns its size in bytes.

        Never awaits: within one process nobody but threads can come in between.

        Raises:
            FaultRefused: nothing can be mounted here, or the folder cannot be copied.
        """
        base = Path(tempfile.mkdtemp(prefix="cmemu-disk-"))
        try:
            size = _room(self.folder) + -(-free_bytes // PAGE) * PAGE + PAGE
            _mount("tmpfs", base, "tmpfs", 0, f"size={size},mode=700")
        except OSError as exc:
            base.rmdir()
            raise FaultRefused(
                f"disk_full: a small file system cannot be mounted here ({exc.strerror}); "
                "root with the right to mount (CAP_SYS_ADMIN) is needed"
            ) from exc
        self._base = base
        try:
            copy = base / "content"
            shutil.copytree(self.folder, copy, symlinks=True, ignore=_unfinished)
            (base / "filler").write_bytes(b"\0" * PAGE)
            self._beneath = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            _mount(str(copy), self.folder, None, _BIND, None)
            _carry_over(_through(self._beneath), self.folder)  # what came while we copied
        except OSError as exc:
            self.unmount()
            raise FaultRefused(f"disk_full: {self.folder}: cannot be moved there ({exc.strerror})") from exc
        return size

    def unmount(self) -> None:
        """Take it away; the folder has then what it had on the small file system."""
        if self._base is None:
            return
        if self._beneath >= 0:
            beneath = _through(self._beneath)
            above = os.open(self._base / "content", os.O_RDONLY | os.O_DIRECTORY)
            try:
                if self.folder.is_mount():
                    _mirror(self.folder, beneath)
                    _unmount(self.folder)
                    _carry_over(_through(above), self.folder)  # what came while we copied
            finally:
                os.close(above)
                os.close(self._beneath)
                self._beneath = -1
        _unmount(self._base)
        self._base.rmdir()
        self._base = None


def _through(descriptor: int) -> Path:
    """A folder that no path leads to any more."""
    return Path(f"/proc/self/fd/{descriptor}")


def _unfinished(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(UNFINISHED)]


def _room(folder: Path) -> int:
    """How much of a tmpfs the files of a folder take."""
    return sum(
        -(-path.stat().st_size // PAGE) * PAGE
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def _mirror(source: Path, target: Path) -> None:
    """Make the target have what the source has, and nothing else."""
    for path in sorted(target.rglob("*"), reverse=True):
        twin = source / path.relative_to(target)
        if twin.exists() or twin.is_symlink():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    _carry_over(source, target)


def _carry_over(source: Path, target: Path) -> None:
    """Copy every finished file that the target lacks, or has in another state."""
    for path in sorted(source.rglob("*")):
        if path.name.endswith(UNFINISHED):
            continue
        twin = target / path.relative_to(source)
        if path.is_dir() and not path.is_symlink():
            twin.mkdir(exist_ok=True)
        elif not twin.exists() or _state(twin) != _state(path):
            shutil.copy2(path, twin, follow_symlinks=False)


def _state(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def _mount(source: str, target: Path, kind: str | None, flags: int, options: str | None) -> None:
    libc = _libc()
    encoded = (
        source.encode(),
        os.fsencode(target),
        kind and kind.encode(),
        flags,
        options and options.encode(),
    )
    if libc.mount(*encoded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _unmount(target: Path) -> None:
    """At once, for whoever comes anew; files that are open there stay until they are closed."""
    if _libc().umount2(os.fsencode(target), _DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "umount2"):
        raise OSError(0, "this system has no mount(2) as Linux has it")
    return libc
