"""Named snapshots of a whole site: its database, and every role's files.

Taking and loading one needs a still site: the roles are stopped in order, PostgreSQL stays. The database is
copied inside PostgreSQL, the folders beside the site's own; of what was loaded last, or a reset goes back
to, a copy lies ready. What happened stays: journals and logs are neither kept nor replaced, and the history
goes on. What has begun comes to its end, also when whoever asked for it goes: half a site is none.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urlsplit

from emulator.errors import CannotStart, ConfigMgrError, ObjectConflict, ObjectNotFound
from emulator.site_database.schema import (
    SCHEMA_VERSION,
    create_database,
    database_exists,
    drop_database,
)
from emulator.site_database.spare import SpareDatabase
from emulator.spool import write_durably
from emulator.to_the_end import to_the_end

if TYPE_CHECKING:
    from emulator.site import Site

FORMAT = 1  # of the folder a snapshot lies in
MANIFEST = "snapshot.json"
INITIAL = "initial"  # what a reset goes back to
LEFT_ALONE = ("journal", "role.log")  # what happened, rather than what there is
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class InvalidSnapshot(ConfigMgrError):
    """The snapshot is not one that this site can take or load."""


class Fleet(Protocol):
    """Clients that belong to the site, so that a snapshot holds them too."""

    async def save(self, folder: Path) -> None: ...

    async def load(self, folder: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is said of one; ``taken`` in site time, ISO 8601."""

    name: str
    taken: str
    topology: str
    roles: tuple[str, ...]
    clients: bool
    schema: int = SCHEMA_VERSION
    format: int = FORMAT

    @classmethod
    def read(cls, manifest: Path) -> Self:
        """The one whose folder holds this file; what later versions say beside it is none of our business.

        Raises:
            InvalidSnapshot: it was taken by another version, or the file is not whole.
        """
        name = manifest.parent.name
        try:
            told = json.loads(manifest.read_text(encoding="utf-8"))
            made_by = told["format"], told["schema"]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise _unreadable(name, exc) from exc
        if made_by != (FORMAT, SCHEMA_VERSION):  # first: all else may mean something else there
            raise InvalidSnapshot(
                f"the snapshot {name!r} was taken by another version (format {made_by[0]}, schema "
                f"{made_by[1]}); this one reads format {FORMAT}, schema {SCHEMA_VERSION}"
            )
        try:
            roles = tuple(str(role) for role in told["roles"])
            taken, topology = str(told["taken"]), str(told["topology"])
            return cls(name, taken, topology, roles, bool(told["clients"]))
        except (KeyError, TypeError) as exc:
            raise _unreadable(name, exc) from exc


def _unreadable(name: str, error: Exception) -> InvalidSnapshot:
    return InvalidSnapshot(
        f"the snapshot {name!r} cannot be used: its {MANIFEST} is not whole ({type(error).__name__}: {error})"
    )


class Snapshots:
    """The snapshots of one running site."""

    def __init__(self, site: Site, fleet: Fleet | None = None) -> None:
        self._site = site
        self._fleet = fleet
        self._folder = site.data / "snapshots"
        self._lock = asyncio.Lock()
        self._spare: SpareDatabase | None = None  # where the database is, a running site knows

    def list(self) -> list[Snapshot]:
        """Those that can be loaded, by name; what was not finished is none."""
        return [found for found in self._found().values() if isinstance(found, Snapshot)]

    def unusable(self) -> dict[str, str]:
        """Those that cannot: name -> why not. They can be deleted."""
        return {name: str(found) for name, found in self._found().items() if not isinstance(found, Snapshot)}

    def _found(self) -> dict[str, Snapshot | InvalidSnapshot]:
        found: dict[str, Snapshot | InvalidSnapshot] = {}
        for manifest in sorted(self._folder.glob(f"*/{MANIFEST}")):
            try:
                snapshot = Snapshot.read(manifest)
                self._check(snapshot)
                found[snapshot.name] = snapshot
            except InvalidSnapshot as exc:
                found[manifest.parent.name] = exc
        return found

    async def save(self, name: str) -> Snapshot:
        """Take one.

        Raises:
            InvalidSnapshot: the name is none; lower case, digits, - and _ are.
            ObjectConflict: there is one of this name.
            FaultRefused, SiteDatabaseUnavailable: the site cannot be stilled, or has no database just now.
        """
        self._check_name(name)
        if any(role.kind == "database_replica" for role in self._site.roles.values()):
            raise InvalidSnapshot(
                "a site whose database has replicas cannot be snapshot: they would not follow"
            )
        async with self._lock:
            if self._manifest(name).exists():
                way_out = "take another name" if name == INITIAL else "delete it first"
                raise ObjectConflict(f"there is a snapshot {name!r} already; {way_out}")
            return await to_the_end(self._save(name))

    async def _save(self, name: str) -> Snapshot:
        site, folder = self._site, self._folder / name
        operation = site.history.invoke("operator", "save_snapshot", name=name)
        async with site.paused() as roles:
            admin, database = _where(site)
            await drop_database(admin, _kept_in(name))  # left over from one that was not finished
            await create_database(admin, _kept_in(name), database)
            shutil.rmtree(folder, ignore_errors=True)
            await asyncio.gather(
                *(asyncio.to_thread(_copy, site.folder(role), folder / "roles" / role) for role in roles)
            )
            if self._fleet:
                await self._fleet.save(folder / "clients")
            snapshot = Snapshot(
                name=name,
                taken=site.clock.now().isoformat(timespec="seconds"),
                topology=site.topology.name,
                roles=tuple(site.roles),
                clients=self._fleet is not None,
            )
            # The last thing: without it there is no snapshot.
            write_durably(folder / MANIFEST, json.dumps(asdict(snapshot), indent=1).encode())
        operation.ok()
        return snapshot

    async def load(self, name: str) -> Snapshot:
        """Go back to one; faults are lifted and links mended first, and roles that were away are there again.

        Raises:
            ObjectNotFound: there is none of this name; the others are listed.
            InvalidSnapshot: it was taken by another version, or of another site, or is not whole: nothing is
                changed, but that a site database that was away is back, for only it tells what it holds.
            SiteDatabaseUnavailable: PostgreSQL cannot be asked.
        """
        self._check_name(name)
        async with self._lock:
            return await to_the_end(self._load(self._of(name)))

    async def _load(self, snapshot: Snapshot) -> Snapshot:
        await self._check_database(snapshot)
        await self._site.heal_everything()
        await self._go_back_to(snapshot)
        return snapshot

    async def _go_back_to(self, snapshot: Snapshot) -> None:
        site, kept = self._site, _kept_in(snapshot.name)
        operation = site.history.invoke("operator", "load_snapshot", name=snapshot.name)
        self._copies.prepare(kept)  # beside the roles that come to rest, if there is no copy yet
        async with site.paused() as roles:
            await self._copies.put_in_place(kept)
            await self._put_files_back(snapshot, roles)
        self._copies.prepare(kept)  # whoever goes back to it once does so again
        operation.ok()

    @property
    def _copies(self) -> SpareDatabase:
        if self._spare is None:
            self._spare = SpareDatabase(*_where(self._site))
        return self._spare

    async def _put_files_back(self, snapshot: Snapshot, roles: Sequence[str]) -> None:
        site, folder = self._site, self._folder / snapshot.name
        await asyncio.gather(
            *(asyncio.to_thread(_replace, site.folder(role), folder / "roles" / role) for role in roles)
        )
        if self._fleet and snapshot.clients:
            await self._fleet.load(folder / "clients")

    async def delete(self, name: str) -> None:
        """Forget one, also one that cannot be loaded.

        Raises:
            ObjectNotFound: there is none of this name. InvalidSnapshot: the name is none.
            ObjectConflict: a reset goes back to it.
        """
        self._check_name(name)
        async with self._lock:
            if name == INITIAL and INITIAL not in self.unusable():
                self._of(INITIAL)
                raise ObjectConflict(f"the snapshot {INITIAL!r} stays: it is what a reset goes back to")
            self._see(name)
            await to_the_end(self._delete(name))

    async def _delete(self, name: str) -> None:
        self._manifest(name).unlink()
        await self._copies.forget(_kept_in(name))
        await drop_database(_where(self._site)[0], _kept_in(name))
        await asyncio.to_thread(shutil.rmtree, self._folder / name)

    async def prepare_reset(self) -> None:
        """See that there is something to go back to: the site as it is now, if nothing was kept before."""
        if INITIAL in self.unusable():  # another version's: it could never be gone back to
            await self.delete(INITIAL)
        if not self._manifest(INITIAL).exists():
            await self.save(INITIAL)
        self._copies.prepare(_kept_in(INITIAL))

    async def reset(self) -> Snapshot:
        """Go back to what ``prepare_reset`` kept; raises as ``load``."""
        return await self.load(INITIAL)

    async def settled(self) -> None:
        """Return when no database is being copied for the next time: what breaks one should not meet that."""
        if self._spare:
            await self._spare.settled()

    async def close(self) -> None:
        """Let what has begun come to its end, and end what is done beside; the snapshots stay."""
        async with self._lock:
            if self._spare:
                await self._spare.close()

    # -- checks ------------------------------------------------------------------------

    def _manifest(self, name: str) -> Path:
        return self._folder / name / MANIFEST

    def _see(self, name: str) -> Snapshot | InvalidSnapshot:
        there = self._found()
        if name not in there:
            raise ObjectNotFound.naming_valid(f"there is no snapshot {name!r}", there)
        return there[name]

    def _of(self, name: str) -> Snapshot:
        found = self._see(name)
        if isinstance(found, InvalidSnapshot):
            raise found
        return found

    def _check(self, snapshot: Snapshot) -> None:
        site = self._site
        if (snapshot.topology, set(snapshot.roles)) != (site.topology.name, set(site.roles)):
            raise InvalidSnapshot(
                f"the snapshot {snapshot.name!r} is one of the site {snapshot.topology} "
                f"with {', '.join(snapshot.roles)}"
            )

    async def _check_database(self, snapshot: Snapshot) -> None:
        """Before anything is changed; a database that is away is brought back to be asked."""
        site = self._site
        for name in [name for name in site.broken if site.roles[name].kind == "site_database"]:
            await site.heal(name)
        if not await database_exists(_where(site)[0], _kept_in(snapshot.name)):
            raise InvalidSnapshot(f"the snapshot {snapshot.name!r} has no database {_kept_in(snapshot.name)}")

    @staticmethod
    def _check_name(name: str) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidSnapshot(
                f"{name!r} is no name of a snapshot; valid: up to 40 of a-z, 0-9, - and _, "
                "a letter or digit first"
            )


def _kept_in(name: str) -> str:
    return f"snapshot_{name}"


def _where(site: Site) -> tuple[str, str]:
    """The maintenance database's DSN, and the name of the site's."""
    return site.maintenance_dsn, urlsplit(site.dsn).path.lstrip("/")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_ALONE), dirs_exist_ok=True)


def _replace(folder: Path, source: Path) -> None:
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.name in LEFT_ALONE:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
    try:
        _copy(source, folder)
    except OSError as exc:
        raise CannotStart(f"{folder}: the snapshot's files cannot be put back ({exc.strerror})") from exc
