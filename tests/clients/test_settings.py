from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from clients.settings import ClientSettings


def settings(**changes: object) -> ClientSettings:
    values = {"name": "PC01", "management_point": "http://mp:80/", "site_code": "S01", "data": Path("x")}
    return ClientSettings.model_validate(values | changes)


def test_the_retry_spec_repeats_its_last_value() -> None:
    spec = settings(retry_spec="1;5;30;60")
    assert [spec.retry_after(n) for n in (1, 2, 3, 4, 5, 99)] == [60, 300, 1800, 3600, 3600, 3600]


@pytest.mark.parametrize(
    "wrong",
    [
        {"retry_spec": "1;;5"},
        {"retry_spec": "soon"},
        {"retry_spec": "0"},
        {"management_point": "mp1"},
        {"name": "../PC"},
        {"name": "ANAMEOFSIXTEENCH"},
        {"site_code": "S0001"},
        {"cache_size_mb": 0},
        {"unheard_of": 1},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_a_url_is_kept_without_its_slash() -> None:
    assert settings().management_point == "http://mp:80"
    assert settings().fqdn == "pc01.lab.test"


def test_reports_are_encrypted_in_mixed_mode_only(tmp_path: Path) -> None:
    values = {"name": "PC01", "site_code": "S01", "data": tmp_path, "encrypt_reports": True}
    assert ClientSettings.model_validate(values | {"management_point": "http://mp"}).encrypt_reports
    with pytest.raises(ValueError, match="encrypt_reports is for mixed mode"):
        ClientSettings.model_validate(values | {"management_point": "https://mp"})
