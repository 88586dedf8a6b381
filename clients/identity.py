"""Who the client is: its key, its SMSID, whether the site has accepted it.

A 2007 client makes its own GUID at installation and proposes it; the site may replace it
(ClientRegistrationResponse). The key never leaves the client's folder. In mixed mode it makes that, too;
in native mode its key and certificate are issued to it.
"""

from __future__ import annotations

import random
from pathlib import Path

from clients.ledger import Ledger
from emulator.clock import Clock
from emulator.protocol.names import new_guid, normalize_smsid
from emulator.protocol.signing import Signer, create_signer, signer_from_pem, signer_to_pem
from emulator.spool import write_durably


class Identity:
    """The client's identity, made once and kept; survives restarts and kills."""

    def __init__(
        self, folder: Path, name: str, seed: int, clock: Clock, signer: Signer | None = None
    ) -> None:
        """``signer``: the key and certificate that somebody issued; None: it makes its own."""
        folder.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(folder / "identity.json", smsid="", registered=False, starts=0)
        if not self._ledger["smsid"]:
            self._ledger.value["smsid"] = normalize_smsid(new_guid(random.Random(f"{seed}/{name}")))
        # Each start has its own stream, so that no message id of an earlier life returns.
        self._ledger.save(starts=self._ledger["starts"] + 1)
        self.random = random.Random(f"{seed}/{name}/{self._ledger['starts']}")
        self.signer = signer or self._signer(folder / "identity.pem", clock)

    @staticmethod
    def _signer(path: Path, clock: Clock) -> Signer:
        if path.exists():
            return signer_from_pem(path.read_bytes())
        signer = create_signer("ConfigMgr Client", clock.now())
        path.touch(mode=0o600)
        write_durably(path, signer_to_pem(signer))
        path.chmod(0o600)
        return signer

    @property
    def smsid(self) -> str:
        return str(self._ledger["smsid"])

    @property
    def registered(self) -> bool:
        return bool(self._ledger["registered"])

    def accept(self, smsid: str) -> None:
        """The site registered this client under this id."""
        self._ledger.save(smsid=smsid, registered=True)

    def forget_registration(self) -> None:
        """The site does not know this client (any more): register again before the next message."""
        if self.registered:
            self._ledger.save(registered=False)

    def new_id(self) -> str:
        """A message id, as messages carry it: ``{GUID}``."""
        return "{" + new_guid(self.random).strip("{}") + "}"
