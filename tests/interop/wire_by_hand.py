"""Messages typed in by hand from the description of the wire protocol.

Nothing of the emulator is imported here, on purpose: these bytes are what somebody writes who never
saw its code. Names and constants are those of public clients.
"""

from __future__ import annotations

import datetime
import re
import uuid
import zlib
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

BOUNDARY = "aAbBcCdDv1234567890VxXyYzZ"
USER_AGENT = "ConfigMgr Messaging HTTP Sender"
NOW = "2026-06-01T08:00:00Z"


@dataclass
class Computer:
    """A computer that talks to a management point: its name, key and certificate."""

    name: str
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    smsid: str = ""  # bare, upper case

    @cached_property
    def certificate(self) -> bytes:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ConfigMgr Client")])
        usage = [ObjectIdentifier("1.3.6.1.4.1.311.101.2"), ObjectIdentifier("1.3.6.1.4.1.311.101")]
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=17))
            .not_valid_after(now + datetime.timedelta(days=365))
            .add_extension(
                x509.KeyUsage(True, False, False, True, False, False, False, False, False), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )

    def sign(self, data: bytes) -> str:
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())[::-1].hex().upper()

    @property
    def public_key_blob(self) -> str:
        modulus = self.key.public_key().public_numbers().n.to_bytes(256, "little")
        return (bytes.fromhex("0602000000A400005253413100080000 01000100") + modulus).hex().upper()

    def token(self, time: str = NOW) -> dict[str, str]:
        """The headers of a policy download."""
        text = f"GUID:{self.smsid};{time};2"
        return {"ClientToken": text, "ClientTokenSignature": self.sign(f"{text}\0".encode("utf-16-le"))}


def message(
    endpoint: str,
    text: str,
    computer: Computer,
    *,
    signed: bool = False,
    message_id: str = "{5DD100CD-DF1D-45F5-BA17-A327F43465F8}",
) -> tuple[bytes, str]:
    """One message in the form of the first public client: the body, and its content type."""
    plain = text.encode("utf-16-le") + b"\x00\x00\r\n"
    payload = zlib.compress(plain)
    hook = '<Hook3 Name="zlib-compress" />'
    source = ""
    if computer.smsid:
        source = f"<SourceID>GUID:{computer.smsid}</SourceID>"
    if signed:
        identity = f"GUID:{computer.smsid}\0".encode("utf-16-le")
        hook = (
            '<Hook2 Name="clientauth">'
            f'<Property Name="AuthSenderMachine">{computer.name}</Property>'
            f'<Property Name="PublicKey">{computer.public_key_blob}</Property>'
            f'<Property Name="ClientIDSignature">{computer.sign(identity)}</Property>'
            f'<Property Name="PayloadSignature">{computer.sign(payload)}</Property>'
            '<Property Name="ClientCapabilities">NonSSL</Property>'
            '<Property Name="HashAlgorithm">1.2.840.113549.1.1.11</Property></Hook2>'
        ) + hook
    header = (
        '<Msg ReplyCompression="zlib" SchemaVersion="1.1">'
        f'<Body Type="ByteRange" Length="{len(plain) - 2}" Offset="0" />'
        "<CorrelationID>{00000000-0000-0000-0000-000000000000}</CorrelationID>"
        f'<Hooks>{hook}</Hooks><ID>{message_id}</ID><Payload Type="inline" /><Priority>0</Priority>'
        "<Protocol>http</Protocol><ReplyMode>Sync</ReplyMode>"
        f"<ReplyTo>direct:{computer.name}:SccmMessaging</ReplyTo><SentTime>{NOW}</SentTime>{source}"
        f"<SourceHost>{computer.name}</SourceHost><TargetAddress>mp:{endpoint}</TargetAddress>"
        f"<TargetEndpoint>{endpoint}</TargetEndpoint><TargetHost>mp1</TargetHost><Timeout>60000</Timeout></Msg>"
    )
    return framed(header, payload), f'multipart/mixed; boundary="{BOUNDARY}"'


def framed(header: str, payload: bytes) -> bytes:
    line = f"--{BOUNDARY}".encode()
    return (
        line + b"\r\ncontent-type: text/plain; charset=UTF-16\r\n\r\n"
        + b"\xff\xfe" + header.encode("utf-16-le") + b"\r\n"
        + line + b"\r\ncontent-type: application/octet-stream\r\n\r\n"
        + payload + b"\r\n" + line + b"--"
    )  # fmt: skip


def reply_text(body: bytes) -> str:
    """The text of a reply, read as the strictest public clients read it: fixed boundary, index 1, one NUL."""
    parts = body.split(f"--{BOUNDARY}".encode())
    headers, _, content = parts[2].partition(b"\r\n\r\n")
    assert b"Content-Type: application/octet-stream" in headers.split(b"\r\n")
    text = zlib.decompress(content.removesuffix(b"\r\n")).decode("utf-16-le")
    assert text[-1] == "\0"
    assert "\0" not in text[:-1]
    assert not text.startswith("<?xml")
    return text[:-1]


def registration(computer: Computer, signature: str | None = None) -> str:
    """A registration; ``signature`` when somebody else has made it."""
    data = registration_data(computer)
    signature = signature or computer.sign(data.encode("utf-16-le"))
    return (
        f"<ClientRegistrationRequest>{data}<Signature><SignatureValue>{signature}</SignatureValue></Signature>"
        "</ClientRegistrationRequest>"
    )


def registration_data(computer: Computer) -> str:
    certificate = computer.certificate.hex().upper()
    return (
        f'<Data HashAlgorithm="1.2.840.113549.1.1.11" SMSID="" RequestType="Registration" TimeStamp="{NOW}">'
        '<AgentInformation AgentIdentity="CCMSetup.exe" AgentVersion="5.00.8325.0000" AgentType="0" />'
        f'<Certificates><Encryption Encoding="HexBinary" KeyType="1">{certificate}</Encryption>'
        f'<Signing Encoding="HexBinary" KeyType="1">{certificate}</Signing></Certificates>'
        f'<DiscoveryProperties><Property Name="Netbios Name" Value="{computer.name}" />'
        f'<Property Name="FQ Name" Value="{computer.name}.lab.test" />'
        '<Property Name="Locale ID" Value="1033" />'
        '<Property Name="InternetFlag" Value="0" /></DiscoveryProperties></Data>'
    )


def assignments_request(computer: Computer) -> str:
    return (
        '<RequestAssignments SchemaVersion="1.00" ACK="false" RequestType="Always"><Identification><Machine>'
        f"<ClientID>GUID:{computer.smsid}</ClientID><FQDN>{computer.name}.lab.test</FQDN>"
        f"<NetBIOSName>{computer.name}</NetBIOSName><SID /></Machine><User /></Identification>"
        '<PolicySource>SMS:PRI</PolicySource><Resource ResourceType="Machine" /><ServerCookie />'
        "</RequestAssignments>"
    )


def site_information(site_code: str) -> str:
    name = f'<SiteCode Name="{site_code}"/>'
    return f'<SiteInformationRequest SchemaVersion="1.00">{name}</SiteInformationRequest>'


def content_location(package_id: str, version: str, site_code: str) -> str:
    return (
        '<ContentLocationRequest SchemaVersion="1.00" BGRVersion="1">'
        f'<AssignedSite SiteCode="{site_code}"/>'
        f'<ClientPackage ID="{package_id}" Version="{version}" RequestForLatest="0" DeploymentFlags="4098"/>'
        '<ClientLocationInfo LocationType="SMSPackage" DistributeOnDemand="0" UseProtected="0"'
        ' AllowCaching="0" BranchDPFlags="0" AllowHTTP="1" AllowSMB="0" AllowMulticast="0" UseAzure="0"'
        ' DPTokenAuth="1" UseInternetDP="0"><ADSite Name="Default-First-Site-Name"/><Forest Name="lab.test"/>'
        '<Domain Name="lab.test"/><IPAddresses><IPAddress SubnetAddress="127.0.0.0" Address="127.0.0.9"/>'
        '</IPAddresses><Adapters><Adapter Name="Ethernet-Anschluß" IfType="6"/></Adapters>'
        "</ClientLocationInfo></ContentLocationRequest>"
    )


HEARTBEAT_HEADER = (
    "<ReportHeader><Identification><Machine><ClientInstalled>0</ClientInstalled><ClientType>1</ClientType>"
    "<ClientID>GUID:{smsid}</ClientID><ClientVersion>5.00.8325.0000</ClientVersion>"
    "<NetBIOSName>{name}</NetBIOSName><CodePage>850</CodePage><SystemDefaultLCID>1033</SystemDefaultLCID>"
    "<Priority></Priority></Machine></Identification><ReportDetails>"
    "<ReportContent>Inventory Data</ReportContent><ReportType>Full</ReportType>"
    "<Date>20260601080000.000000+000</Date><Version>1.0</Version><Format>1.1</Format></ReportDetails>"
    '<InventoryAction ActionType="Predefined">'
    "<InventoryActionID>{{00000000-0000-0000-0000-000000000003}}</InventoryActionID>"
    "<Description>Discovery</Description><InventoryActionLastUpdateTime>20260601080000.000000+000"
    "</InventoryActionLastUpdateTime></InventoryAction></ReportHeader>"
)


def discovery(computer: Computer) -> tuple[bytes, str]:
    """Two discovery reports in one message, the second of them announced twice: as attachment and as body."""
    header = HEARTBEAT_HEADER.format(smsid=computer.smsid, name=computer.name)
    one = f"<Report>{header}<ReportBody /></Report>"
    two = (
        f"<Report>{header}<ReportBody>"
        '<Instance ParentClass="CCM_ComputerSystem" Class="CCM_ComputerSystem" Namespace="\\\\x\\root\\ccm"'
        ' Content="New"><CCM_ComputerSystem><Domain>LAB</Domain></CCM_ComputerSystem></Instance>'
        '<Instance ParentClass="CCM_Client" Class="CCM_Client" Namespace="\\\\x\\root\\ccm" Content="New">'
        "<CCM_Client><ClientIdChangeDate>06/01/2026 08:00:00</ClientIdChangeDate>"
        "<ClientVersion>5.00.8325.0000</ClientVersion><PreviousClientId></PreviousClientId></CCM_Client></Instance>"
        '<Instance ParentClass="CCM_DiscoveryData" Class="CCM_DiscoveryData" Namespace="\\\\x\\root\\ccm"'
        ' Content="New"><CCM_DiscoveryData><PlatformID>Microsoft Windows NT Server 10.0</PlatformID>'
        "</CCM_DiscoveryData></Instance></ReportBody></Report>"
    )
    tail = b"\x00\x00\r\n"
    first, second = one.encode("utf-16-le") + tail, two.encode("utf-16-le") + tail
    payload = zlib.compress(first + second)
    identity = f"GUID:{computer.smsid}\0".encode("utf-16-le")
    xml = (
        '<Msg ReplyCompression="zlib" SchemaVersion="1.1">'
        f'<Attachment Type="ByteRange" Length="{len(first) - 4}" Name="403838f7-69bb-43d5-8362-28a5755b97b5"'
        f' Offset="0" /><Attachment Length="{len(second) - 4}" Offset="{len(first)}" />'
        f'<Body Type="ByteRange" Length="{len(second) - 2}" Offset="{len(first)}" />'
        "<CorrelationID>{00000000-0000-0000-0000-000000000000}</CorrelationID>"
        '<Hooks><Hook2 Name="clientauth">'
        f'<Property Name="AuthSenderMachine">{computer.name}</Property>'
        f'<Property Name="PublicKey">{computer.public_key_blob}</Property>'
        f'<Property Name="ClientIDSignature">{computer.sign(identity)}</Property>'
        f'<Property Name="PayloadSignature">{computer.sign(payload)}</Property>'
        '<Property Name="ClientCapabilities">NonSSL</Property>'
        '<Property Name="HashAlgorithm">1.2.840.113549.1.1.11</Property></Hook2>'
        '<Hook3 Name="zlib-compress" /></Hooks><ID>{CA6A20DC-2440-44B1-A78F-E2FE792973BA}</ID>'
        '<Payload Type="inline" /><Priority>0</Priority><Protocol>http</Protocol><ReplyMode>ASync</ReplyMode>'
        f"<ReplyTo>direct:{computer.name}:SccmMessaging</ReplyTo>"
        "<SentTime>20260601080000.000000+000</SentTime>"
        f"<SourceID>GUID:{computer.smsid}</SourceID><SourceHost>{computer.name}</SourceHost>"
        "<TargetAddress>mp:MP_DdrEndpoint</TargetAddress><TargetEndpoint>MP_DdrEndpoint</TargetEndpoint>"
        "<TargetHost>mp1</TargetHost><Timeout>60000</Timeout></Msg>"
    )
    return framed(xml, payload), f'multipart/mixed; boundary="{BOUNDARY}"'


def smsid_of(reply: str) -> str:
    found = re.search(r'SMSID="GUID:([^"]*)"', reply)
    assert found, reply
    return str(uuid.UUID(found[1])).upper()


def policy_urls(reply: str, management_point: str) -> dict[str, str]:
    """Category -> URL, found as public clients do: by regular expression, ``<mp>`` replaced."""
    found = re.findall(
        r'<Policy [^>]*PolicyID="[^"]*"[^>]*>\s*<PolicyLocation[^>]*><!\[CDATA\[http[s]?://<mp>([^\]]*)\]',
        reply,
    )
    policies = re.findall(r"<Policy ([^>]*)>", reply)
    categories = [(re.search(r'PolicyCategory="([^"]*)"', text) or [""] * 2)[1] for text in policies]
    assert len(found) == len(policies), reply
    return {category: management_point + path for category, path in zip(categories, found, strict=True)}
