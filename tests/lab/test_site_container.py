"""``docker run`` alone is a whole site, and so is the module for testcontainers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixtures.administrator import Administrator
from fixtures.containers import SiteContainer
from fixtures.lab.engine import docker


@pytest.fixture
def site(image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteContainer]:
    # Its reaper is an image of a registry; our container is removed by us.
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
    with SiteContainer(image) as container:
        yield container


async def test_a_whole_site_by_one_command(site: SiteContainer) -> None:
    async with Administrator(site.site_server, site.secret) as administrator:
        systems = await administrator.query("SMS_SystemResourceList")
    assert {system["RoleName"] for system in systems} == {
        "SMS Site Server",
        "SMS SQL Server",
        "SMS Management Point",
        "SMS Distribution Point",
    }
    name = site.get_wrapped_container().id
    # Nobody in particular, and well.
    assert await docker("exec", name, "id", "-u") == "10001"
    assert await docker("exec", name, "python", "-I", "-S", "/opt/cmemu/health.py") == "4 roles answer"


async def test_the_image_is_small(image: str) -> None:
    size = int(await docker("image", "inspect", "-f", "{{.Size}}", image))
    assert size < 300_000_000  # unpacked; about 80 MB compressed (docs/docker.md)
