"""Named snapshots of a whole site: its database, and every role's files.

Taking and loading one needs a still site: the roles are stopped in order, PostgreSQL stays. The database is
copied inside PostgreSQL, the folders beside the site's own; of what was loaded last, or a reset goes back
to, a copy lies ready. What happened stays: journals and logs are neither kept nor replaced, and the history
goes on.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
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

if TYPE_CHECKING:
    from emulator.site import Site

FORMAT = 1  # of the folder a snapshot lies in
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


class Snapshots:
    """The snapshots of one running site."""

    def __init__(self, site: Site, fleet: Fleet | None = None) -> None:
        self._site = site
        self._fleet = fleet
        self._folder = site.data / "snapshots"
        self._lock = asyncio.Lock()
        self._spare: SpareDatabase | None = None  # where the database is, a running site knows

    def list(self) -> list[Snapshot]:
        """Those that are there, by name; what is not whole is not listed."""
        found = []
        for manifest in sorted(self._folder.glob("*/snapshot.json")):
            values = json.loads(manifest.read_text(encoding="utf-8"))
            found.append(Snapshot(**{**values, "roles": tuple(values["roles"])}))
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
            if (self._folder / name / "snapshot.json").exists():
                raise ObjectConflict(f"there is a snapshot {name!r} already; delete it first")
            return await self._save(name)

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
            write_durably(folder / "snapshot.json", json.dumps(asdict(snapshot), indent=1).encode())
        operation.ok()
        return snapshot

    async def load(self, name: str) -> Snapshot:
        """Go back to one; faults are lifted first, and roles that were away are there again.

        Raises:
            ObjectNotFound: there is none of this name; the others are listed.
            InvalidSnapshot: it was taken by another version, or of another site: nothing is changed.
            SiteDatabaseUnavailable: PostgreSQL cannot be asked.
        """
        self._check_name(name)
        async with self._lock:
            snapshot = self._of(name)
            self._check(snapshot)
            await self._site.heal()
            await self._check_database(snapshot)
            await self._load(snapshot)
            return snapshot

    async def _load(self, snapshot: Snapshot) -> None:
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
        """Forget one.

        Raises:
            ObjectNotFound: there is none of this name. InvalidSnapshot: the name is none.
        """
        self._check_name(name)
        async with self._lock:
            self._of(name)
            (self._folder / name / "snapshot.json").unlink()
            await self._copies.forget(_kept_in(name))
            await drop_database(_where(self._site)[0], _kept_in(name))
            await asyncio.to_thread(shutil.rmtree, self._folder / name)

    async def prepare_reset(self) -> None:
        """See that there is something to go back to: the site as it is now, if nothing was kept before."""
        if not (self._folder / INITIAL / "snapshot.json").exists():
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
        """End what is done beside; the snapshots stay."""
        if self._spare:
            await self._spare.close()

    # -- checks ------------------------------------------------------------------------

    def _of(self, name: str) -> Snapshot:
        there = {snapshot.name: snapshot for snapshot in self.list()}
        if name not in there:
            raise ObjectNotFound(f"there is no snapshot {name!r}; there are: {', '.join(there) or 'none'}")
        return there[name]

    def _check(self, snapshot: Snapshot) -> None:
        if (snapshot.format, snapshot.schema) != (FORMAT, SCHEMA_VERSION):
            raise InvalidSnapshot(
                f"the snapshot {snapshot.name!r} was taken by another version (format {snapshot.format}, "
                f"schema {snapshot.schema}); this one reads format {FORMAT}, schema {SCHEMA_VERSION}"
            )
        site = self._site
        if (snapshot.topology, set(snapshot.roles)) != (site.topology.name, set(site.roles)):
            raise InvalidSnapshot(
                f"the snapshot {snapshot.name!r} is one of the site {snapshot.topology} "
                f"with {', '.join(snapshot.roles)}"
            )

    async def _check_database(self, snapshot: Snapshot) -> None:
        site = self._site
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
