from __future__ import annotations

import pytest

from emulator.errors import MalformedMessage
from emulator.protocol.site_location import (
    ManagementPointPlace,
    SitePlace,
    asked_kind,
    asked_site,
    assigned_site_reply,
    management_points_reply,
    site_information_reply,
    update_sf_reply,
    upload_reply,
    wsus_location_reply,
)
from emulator.protocol.xml import parse_xml, text_of

SITE = SitePlace("PS1", "4.00.6487.0000", 6487)
MP = ManagementPointPlace("MP1", "mp1.lab.test", "http://127.0.0.1:8080", 8080)


@pytest.mark.proves("location.local_mp", "location.enumerate_mp", "location.mp_list")
def test_management_points() -> None:
    root = parse_xml(management_points_reply("LocalMPLocationReply", SITE, [MP], "1.0"))
    assert (root.tag, root.get("SchemaVersion")) == ("LocalMPLocationReply", "1.0")
    site = root.find("Sites/Site/MPSite")
    assert site is not None
    assert dict(site.attrib) == {
        "SiteCode": "PS1",
        "MasterSiteCode": "PS1",
        "SiteLocality": "LOCAL",
        "IISPreferedPort": "8080",
        "IISSSLPreferedPort": "443",
    }
    assert text_of(root, ".//ServerRemoteName") == "mp1.lab.test"
    empty = parse_xml(management_points_reply("EnumerateMPLocationReply", SITE, []))
    assert empty.find("Sites/Site/LocationRecords") is not None
    assert empty.find(".//LocationRecord") is None


@pytest.mark.proves("location.site_information", "location.assigned_site")
def test_the_site() -> None:
    expected = {"SiteCode": "PS1", "Version": "4.00.6487.0000", "BuildNumber": "6487"}
    for text in (site_information_reply(SITE), assigned_site_reply(SITE)):
        element = parse_xml(text).find("Site")
        assert element is not None
        assert dict(element.attrib) == expected
    assert len(parse_xml(site_information_reply(None))) == 0


@pytest.mark.proves("location.wsus", "location.update_sf", "location.upload")
def test_what_the_site_has_not() -> None:
    assert len(parse_xml(wsus_location_reply(SITE)).find("Sites/Site/LocationRecords")) == 0
    assert parse_xml(update_sf_reply()).tag == "UpdateSFReply"
    reply = parse_xml(upload_reply("mp1", "http://mp1/CCM_Incoming/{1}"))
    assert (text_of(reply, "Host"), text_of(reply, "URL")) == ("mp1", "http://mp1/CCM_Incoming/{1}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("<a/>", "Assigned"), ('<a MPType="PROXY"/>', "Proxy"), ("<a><b><Type>local</Type></b></a>", "Local")],
)
def test_which_kind_is_asked_for(text: str, kind: str) -> None:
    assert asked_kind(text) == kind


def test_which_site_is_asked_for() -> None:
    assert (
        asked_site('<a><SiteCode Name="ps1"/></a>') == asked_site("<a><SiteCode>PS1</SiteCode></a>") == "PS1"
    )
    assert asked_site("<a/>") == ""
    for read in (asked_kind, asked_site):
        with pytest.raises(MalformedMessage):
            read("<a>")
