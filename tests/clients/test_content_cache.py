from __future__ import annotations

from pathlib import Path

import pytest

from clients.content_cache import CachedPackage, ContentCache, ContentKey
from clients.journal import Journal
from clients.settings import ClientSettings
from emulator.errors import CacheFull, CacheTooSmall
from emulator.history import History
from tests.clients.hand_clock import HandClock

MB = 1024 * 1024
DAY = 24 * 3600.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def open_cache(folder: Path, clock: HandClock) -> ContentCache:
    settings = ClientSettings(
        name="PC01", management_point="http://mp", site_code="S01", data=folder, cache_size_mb=10
    )
    return ContentCache(settings, clock, Journal(History(), "PC01"))


@pytest.fixture
def cache(tmp_path: Path, clock: HandClock) -> ContentCache:
    return open_cache(tmp_path, clock)


def key(number: int) -> ContentKey:
    return ContentKey(f"S01{number:05d}", 1, f"SHA256:{number:064d}"[:71])


def put(cache: ContentCache, number: int, size: int, persist: bool = False) -> CachedPackage:
    content = cache.staging(key(number)) / "content"
    content.mkdir(parents=True)
    (content / "file").write_bytes(bytes(100))
    return cache.publish(key(number), size, persist)


def held(cache: ContentCache) -> list[str]:
    return sorted(package.package_id for package in cache.packages())


def test_published_content_is_there_after_a_restart(
    cache: ContentCache, tmp_path: Path, clock: HandClock
) -> None:
    package = put(cache, 1, 100)
    assert (package.folder / "file").read_bytes() == bytes(100)
    assert open_cache(tmp_path, clock).get(key(1)) == package
    assert cache.stagings() == []


def test_another_version_or_hash_is_other_content(cache: ContentCache) -> None:
    put(cache, 1, 100)
    assert cache.get(ContentKey("S0100001", 2, key(1).source_hash)) is None
    assert cache.get(ContentKey("S0100001", 1, "SHA256:other")) is None


def test_an_unfinished_download_is_no_content(cache: ContentCache, tmp_path: Path, clock: HandClock) -> None:
    cache.staging(key(1)).mkdir()
    again = open_cache(tmp_path, clock)
    assert again.get(key(1)) is None
    assert again.stagings() == [cache.staging(key(1))]


def test_nothing_goes_while_there_is_room(cache: ContentCache, clock: HandClock) -> None:
    put(cache, 1, 4 * MB)
    clock.advance(90 * DAY)
    cache.make_room(key(2), 6 * MB)
    assert held(cache) == ["S0100001"]


def test_larger_than_the_whole_cache(cache: ContentCache) -> None:
    with pytest.raises(CacheTooSmall):
        cache.make_room(key(1), 10 * MB + 1)


def test_what_was_used_within_a_day_stays(cache: ContentCache, clock: HandClock) -> None:
    put(cache, 1, 6 * MB)
    clock.advance(DAY - 1)
    with pytest.raises(CacheFull):
        cache.make_room(key(2), 6 * MB)
    clock.advance(2)
    cache.make_room(key(2), 6 * MB)
    assert held(cache) == []


def test_the_longest_unused_goes_first_and_only_as_much_as_needed(
    cache: ContentCache, clock: HandClock
) -> None:
    for number in (1, 2, 3):
        put(cache, number, 3 * MB)
        clock.advance(60)
    clock.advance(2 * DAY)
    package = cache.get(key(1))
    assert package
    cache.touch(package)
    clock.advance(2 * DAY)
    cache.make_room(key(4), 4 * MB)
    assert held(cache) == ["S0100001", "S0100003"]


def test_what_no_policy_names_goes_before_what_one_does(cache: ContentCache, clock: HandClock) -> None:
    put(cache, 1, 4 * MB)
    clock.advance(60)
    put(cache, 2, 4 * MB)
    cache.referenced = lambda: {("S0100001", 1)}
    clock.advance(40 * DAY)
    cache.make_room(key(3), 4 * MB)
    assert held(cache) == ["S0100001"]
    cache.make_room(key(3), 8 * MB)
    assert held(cache) == []


def test_what_a_policy_names_stays_longer(cache: ContentCache, clock: HandClock) -> None:
    put(cache, 1, 8 * MB)
    cache.referenced = lambda: {("S0100001", 1)}
    clock.advance(2 * DAY)
    with pytest.raises(CacheFull):
        cache.make_room(key(2), 8 * MB)


def test_persistent_content_never_goes(cache: ContentCache, clock: HandClock) -> None:
    put(cache, 1, 8 * MB, persist=True)
    clock.advance(1000 * DAY)
    with pytest.raises(CacheFull):
        cache.make_room(key(2), 8 * MB)
    assert held(cache) == ["S0100001"]
