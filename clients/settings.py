"""What one simulated client must be told: the whole of it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from emulator.protocol.client_certificates import CERTIFICATES
from emulator.protocol.names import DOMAIN

_HOUR = 3600.0
_DAY = 24 * _HOUR
# ExecutionFailureRetryErrorCodes: what may pass by itself, such as a share that is away or an
# installation under way (client.md section 4).
_MAY_PASS = (
    *(4, 5, 8, 13, 14, 39, 51, 53, 54, 55, 59, 64, 65, 67, 70, 71, 85, 86, 87, 112, 128, 170, 267, 999),
    *(1003, 1203, 1219, 1220, 1222, 1231, 1232, 1238, 1265, 1311, 1323, 1326, 1330, 1618, 1622, 2250),
)


class ClientSettings(BaseModel):
    """The settings of one client. Spans are seconds of site time unless a name says otherwise.

    The intervals are the product's documented defaults where it documents one (client.md
    section 1); the metering interval and the content retry interval are chosen by us.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,14}$")  # a NetBIOS name
    management_point: str  # URL of the site's default management point: a 2007 client knows no other
    site_code: str = Field(pattern=r"^[A-Za-z0-9]{3}$")
    data: Path  # the client's own folder: identity, policies, queue, cache
    certificates: Path | None = None  # native mode: where its certificates lie; None: a folder in data
    seed: int = 0
    client_version: str = "4.00.6487.2000"
    domain: str = DOMAIN
    ad_site: str = "Default-First-Site-Name"
    ip_address: str = "127.0.0.1"
    subnet: str = "127.0.0.0"

    # The network's patience: real seconds for one request, whatever the site's clock shows.
    request_timeout: float = Field(default=2.0, gt=0)
    # MessageSizeThreshold in KiB: larger reports go by BITS; None: everything goes in one request.
    message_size_threshold: int | None = Field(default=None, ge=0)
    # ENCRYPT_MESSAGE: reports are sealed for the management point's certificate. In mixed mode only.
    encrypt_reports: bool = False
    retry_spec: str = "1;5;30;60"  # MessageRetrySpec: minutes; the last one repeats
    outgoing_message_timeout: int = Field(default=0, ge=0)  # OutgoingMessageTimeout: minutes; 0: none
    # PolicyTimeUntilExpire: policy goes so many days after the last reply to a request; None: never.
    policy_expires_days: float | None = Field(default=None, gt=0)
    schedules_enabled: bool = True  # off: nothing happens unless the test triggers it

    policy_interval: float = Field(default=_HOUR, gt=0)
    hardware_inventory_interval: float = Field(default=7 * _DAY, gt=0)
    software_inventory_interval: float = Field(default=7 * _DAY, gt=0)
    heartbeat_interval: float = Field(default=7 * _DAY, gt=0)
    metering_interval: float = Field(default=7 * _DAY, gt=0)
    state_interval: float = Field(default=900.0, gt=0)
    location_interval: float = Field(default=25 * _HOUR, gt=0)
    content_retry_interval: float = Field(default=300.0, gt=0)
    cache_full_retry_interval: float = Field(default=4 * _HOUR, gt=0)
    cache_full_retry_count: int = Field(default=18, ge=0)

    execution_retry_interval: float = Field(default=600.0, gt=0)  # after an exit code that may pass
    execution_retry_count: int = Field(default=1008, ge=0)
    execution_retry_codes: tuple[int, ...] = _MAY_PASS

    cache_size_mb: float = Field(default=5120, gt=0)
    cache_tombstone_minutes: int = 1440  # content is kept at least this long after its last use
    cache_max_minutes: int = 43200  # after which content a policy still names may go too
    bits_bytes_per_second: int | None = Field(default=None, gt=0)  # per real second; None: as fast as it goes

    @field_validator("management_point")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("a management point is named by its http:// URL, in native mode https://")
        return url.rstrip("/")

    @field_validator("retry_spec")
    @classmethod
    def _minutes(cls, spec: str) -> str:
        if not all(part.strip().isdigit() and int(part) > 0 for part in spec.split(";")):
            raise ValueError("MessageRetrySpec is whole minutes with semicolons between, such as 1;5;30;60")
        return spec

    @model_validator(mode="after")
    def _encrypts_in_mixed_mode(self) -> Self:
        if self.encrypt_reports and self.native:
            raise ValueError("encrypt_reports is for mixed mode: in native mode TLS encrypts")
        return self

    @property
    def native(self) -> bool:
        """Whether the client's site is in native mode: then its management point is named by https://."""
        return self.management_point.startswith("https://")

    @property
    def certificates_folder(self) -> Path:
        return self.certificates or self.data / CERTIFICATES

    @property
    def fqdn(self) -> str:
        return f"{self.name.lower()}.{self.domain}"

    @property
    def cache_bytes(self) -> int:
        return int(self.cache_size_mb * 1024 * 1024)

    def retry_after(self, failures: int) -> float:
        """Site seconds to wait after the so-manieth failure in a row (from 1)."""
        minutes = [int(part) for part in self.retry_spec.split(";")]
        return minutes[min(failures, len(minutes)) - 1] * 60.0
