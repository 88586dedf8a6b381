"""Which client a computer is, by what the site has discovered."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.protocol.client_identity import known_client

DISCOVERED = (
    "UPDATE System_DISC SET SMBIOS_GUID0 = '44454C4C-3000-1048-8034-B7C04F4E354A',"
    " MAC_Addresses0 = '{00:15:5D:01:02:03}' WHERE SMS_Unique_Identifier0 = $1"
)


def asked(inner: str) -> str:
    return f"<ClientIDRequest><Identification><Machine>{inner}</Machine></Identification></ClientIDRequest>"


@pytest.mark.proves("identity.client_id")
@pytest.mark.parametrize("endpoint", ["MP_ClientIdManager", "MP_ClientIDManager"])
@pytest.mark.parametrize(
    "inner",
    [
        "<SMBIOS>44454c4c-3000-1048-8034-b7c04f4e354a</SMBIOS><MacAddress/>",
        "<SMBIOS>{44454C4C300010488034B7C04F4E354A}</SMBIOS>",
        "<MacAddress>00-15-5d-01-02-03</MacAddress>",
        "<MacAddress>aa:aa:aa:aa:aa:aa, 00155D010203</MacAddress>",
        "<NetbiosName>pc01</NetbiosName>",
        "<SMBIOS>unknown</SMBIOS><MacAddress>x</MacAddress><NetbiosName>PC01</NetbiosName>",
    ],
)
async def test_known(lab: Any, client: Any, stranger: Any, endpoint: str, inner: str) -> None:
    await lab.database.run(DISCOVERED, client.smsid)
    reply = await stranger.post(endpoint, asked(inner), signed=False, source_id="")
    known = known_client(reply.text)
    assert known is not None
    assert (known.client_id, known.netbios_name) == (client.smsid, "PC01")
    assert known.item_key >= 16777217
    assert "<PXEBootAction LastPXEAdvertisementID=" in reply.text


@pytest.mark.proves("identity.client_id")
async def test_hardware_counts_more_than_a_name(lab: Any, client: Any, stranger: Any) -> None:
    await stranger.register()
    await lab.database.run(DISCOVERED, client.smsid)
    inner = "<MacAddress>00:15:5D:01:02:03</MacAddress><NetbiosName>PC02</NetbiosName>"
    known = known_client((await stranger.post("MP_ClientIdManager", asked(inner))).text)
    assert known is not None
    assert known.client_id == client.smsid


@pytest.mark.proves("identity.client_id")
async def test_unknown(stranger: Any) -> None:
    inner = "<SMBIOS>0</SMBIOS><MacAddress>no</MacAddress>"
    reply = await stranger.post("MP_ClientIdManager", asked(inner), signed=False, source_id="")
    assert known_client(reply.text) is None
    assert 'Unknown="1" ItemKey="0"' in reply.text


@pytest.mark.parametrize("body", ["", "<Other/>", "<ClientIDRequest/>", asked("")])
async def test_no_request(stranger: Any, body: str) -> None:
    assert (await stranger.post("MP_ClientIdManager", body, signed=False, source_id="")).status == 400
