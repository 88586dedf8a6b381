"""smsdbmon: whoever changes an object, the components hear of it, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from emulator.errors import SiteDatabaseUnavailable
from emulator.site_database import inventory
from emulator.site_database.database import SiteDatabase

NEW = "INSERT INTO Collections (CollectionID, Name) VALUES ('S0100001', 'Lab')"


@pytest.fixture
async def heard(site_database: SiteDatabase) -> AsyncIterator[asyncio.Queue[str]]:
    """What a component hears from now on."""
    payloads: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(site_database.listen("smsdbmon", payloads.put_nowait))
    assert await payloads.get() == ""  # listening
    yield payloads
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def everything(heard: asyncio.Queue[str], db: SiteDatabase) -> list[str]:
    """All that was sent so far: notifications of one channel keep their order."""
    await db.execute("SELECT pg_notify('smsdbmon', 'end')")
    payloads = []
    while (payload := await heard.get()) != "end":
        payloads.append(payload)
    return payloads


@pytest.mark.parametrize(
    ("statements", "payloads"),
    [
        ([NEW], ["collections"]),
        ([NEW, NEW + " ON CONFLICT DO NOTHING"], ["collections"]),
        ([NEW, "UPDATE Collections SET Comment = 'x'"], ["collections", "collections"]),
        ([NEW, "DELETE FROM Collections WHERE CollectionID = 'S0100001'"], ["collections", "collections"]),
        (["UPDATE Collections SET Comment = 'x' WHERE CollectionID = 'none'"], []),
        (["DELETE FROM System_DISC"], []),
    ],
)
async def test_rows_that_changed_are_announced(
    site_database: SiteDatabase, heard: asyncio.Queue[str], statements: list[str], payloads: list[str]
) -> None:
    for statement in statements:
        await site_database.execute(statement)
    assert await everything(heard, site_database) == payloads


async def test_a_transaction_announces_each_table_once_and_only_when_committed(
    site_database: SiteDatabase, heard: asyncio.Queue[str]
) -> None:
    async with site_database.transaction() as session:
        await session.execute(NEW)
        await session.execute("UPDATE Collections SET Comment = 'x'")
    async with site_database.transaction() as session:
        await session.execute("UPDATE Collections SET Comment = 'y'")
        await session.execute("ROLLBACK AND CHAIN")
    assert await everything(heard, site_database) == ["collections"]


async def test_of_inventory_status_only_resyncs_are_news(
    site_database: SiteDatabase,
    heard: asyncio.Queue[str],
    new_client: Callable[[str], Awaitable[tuple[str, int]]],
) -> None:
    _, machine = await new_client("PC01")
    await everything(heard, site_database)
    async with site_database.transaction() as session:
        await inventory.begin(session, machine, "Hardware")
    assert await everything(heard, site_database) == []
    for _ in range(2):
        async with site_database.transaction() as session:
            await inventory.request_resync(session, machine, "Hardware")
    assert await everything(heard, site_database) == ["workstationstatus_data"]


async def test_a_lost_connection_is_told(site_database: SiteDatabase) -> None:
    listening = asyncio.Event()
    task = asyncio.create_task(site_database.listen("smsdbmon", lambda _: listening.set()))
    await listening.wait()
    await site_database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(SiteDatabaseUnavailable):
        await task


class LosesItsConnection:
    """A connection that can be told to be lost."""

    def __init__(self) -> None:
        self.lose: Callable[[], None] = lambda: None

    def add_termination_listener(self, callback: Callable[[object], None]) -> None:
        self.lose = lambda: callback(self)

    async def add_listener(self, *_: object) -> None:
        pass

    def terminate(self) -> None:
        pass


async def test_whoever_is_cancelled_in_the_moment_of_the_loss_ends(
    site_database: SiteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that is stopped while its database goes away must not listen for ever."""
    connection = LosesItsConnection()
    listening = asyncio.Event()

    async def connect(*_: object, **__: object) -> LosesItsConnection:
        return connection

    monkeypatch.setattr("asyncpg.connect", connect)
    task = asyncio.create_task(site_database.listen("smsdbmon", lambda _: listening.set()))
    await listening.wait()
    for _ in range(5):
        await asyncio.sleep(0)  # it waits now
    connection.lose()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
