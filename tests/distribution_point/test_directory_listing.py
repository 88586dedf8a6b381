"""Folders as public clients read them: to the byte."""

from __future__ import annotations

import re
from typing import Any

import pytest

from emulator.distribution_point.directory_listing import _date

# What a client that walks listings looks for: digits or the marker, one space, the link.
FILE = re.compile(r'\d+ <a href="(http://[^"]+)">')
FOLDER = re.compile(r'&lt;dir&gt <a href="(http://[^"]+)">')


def names(links: list[str]) -> list[str]:
    return [link.rpartition("/")[2] for link in links]


@pytest.mark.proves("listing.bytes")
async def test_a_package_to_the_byte(filled: Any) -> None:
    base = f"{filled.url}/SMS_DP_SMSPKG$/S0100001.1"
    place = f"{filled.url.removeprefix('http://')} - /SMS_DP_SMSPKG$/S0100001.1/"
    assert await filled.text("/SMS_DP_SMSPKG$/S0100001.1") == (
        f"<html><head><title>{place}</title></head><body><H1>{place}</H1><hr>\n"
        f'<pre> 6/1/2009  8:00 AM        &lt;dir&gt <a href="{base}/Data">Data</a><br>\n'
        f' 6/1/2009  8:00 AM        10242 <a href="{base}/setup.exe">setup.exe</a><br>'
        "</pre><hr></body></html>\n"
    )


@pytest.mark.proves("listing.datalib")
@pytest.mark.parametrize("path", ["Datalib", "datalib", "DATALIB/", "Datalib/"])
async def test_datalib_links_past_itself(filled: Any, path: str) -> None:
    page = await filled.text(f"/SMS_DP_SMSPKG$/{path}")
    assert FOLDER.findall(page) == [f"{filled.url}/SMS_DP_SMSPKG$/S0100001.1"]
    assert FILE.findall(page) == [f"{filled.url}/SMS_DP_SMSPKG$/S0100001.1.INI"]
    assert page.count("<a ") == 2  # nothing leads upwards


@pytest.mark.proves("listing.walk")
async def test_every_link_leads_somewhere(filled: Any) -> None:
    read, folders = {}, [f"{filled.url}/sms_dp_smspkg$/Datalib"]
    while folders:
        page = await filled.text(folders.pop())
        folders += FOLDER.findall(page)
        for link in FILE.findall(page):
            async with filled.http.get(link) as response:
                read[link.partition("$/")[2]] = await response.read()
    assert read.pop("S0100001.1.INI").startswith(b"[Content]\r\nPackageID=S0100001\r\n")
    assert read == {
        f"S0100001.1/{name.replace(' ', '%20')}": content for name, content in filled.FILES.items()
    }


@pytest.mark.proves("listing.root")
@pytest.mark.parametrize("path", ["", "/"])
async def test_the_virtual_directory_lists_packages(filled: Any, path: str) -> None:
    assert names(FOLDER.findall(await filled.text(f"/SMS_DP_SMSPKG${path}"))) == ["S0100001.1"]


async def test_an_empty_distribution_point(lab: Any) -> None:
    assert "<pre></pre>" in await lab.text("/SMS_DP_SMSPKG$/Datalib")


@pytest.mark.proves("listing.authority", "content.absolute_form")
@pytest.mark.parametrize(
    ("target", "host", "authority"),
    [
        ("http://dp1{path}", "dp1", "dp1"),
        ("http://dp1:8080{path}", "dp1", "dp1:8080"),
        ("{path}", "dp1:{port}", "dp1:{port}"),
        ("{path}", "dp1:8080", "dp1:8080"),
        ("{path}", "dp1", "{own}"),
        ("{path}", '"><script>:80', "{own}"),
        ("{path}", "", "{own}"),
    ],
)
async def test_links_lead_back(filled: Any, target: str, host: str, authority: str) -> None:
    role = filled.settings.role
    values = {"path": "/sms_dp_smspkg$/Datalib", "port": role.port, "own": f"{role.host}:{role.port}"}
    head = f"GET {target.format(**values)} HTTP/1.1\r\nHost: {host.format(**values)}\r\n"
    reply = await filled.raw(f"{head}Connection: close\r\n\r\n")
    assert FOLDER.findall(reply.decode()) == [
        f"http://{authority.format(**values)}/sms_dp_smspkg$/S0100001.1"
    ]


async def test_names_are_escaped(lab: Any) -> None:
    await lab.fill({"<b>&\"c'.txt": b"x", "50% ü.txt": b"y"})
    page = await lab.text("/SMS_DP_SMSPKG$/S0100001.1")
    assert names(FILE.findall(page)) == ["50%25%20%C3%BC.txt", "%3Cb%3E%26%22c%27.txt"]
    assert "&lt;b&gt;&amp;&quot;c&#x27;.txt</a>" in page


async def test_head_of_a_folder(filled: Any) -> None:
    async with filled.http.head("/SMS_DP_SMSPKG$/Datalib") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("modified", "text"),
    [
        (1_243_843_200, " 6/1/2009  8:00 AM"),
        (1_798_761_599, "12/31/2026 11:59 PM"),
        (1_767_225_600, " 1/1/2026 12:00 AM"),
        (1_767_225_600 + 12 * 3600, " 1/1/2026 12:00 PM"),
    ],
)
def test_dates(modified: int, text: str) -> None:
    assert _date(modified) == text
