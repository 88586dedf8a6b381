"""Everything that can go wrong, each with the sentence its reader sees.

A class's docstring is its default message, so this file reads as the list of what
can happen. Names say whose side failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self


class ConfigMgrError(Exception):
    """Something went wrong in the site."""

    valid: Sequence[str] = ()  # what would have been accepted, where that can be listed

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @classmethod
    def naming_valid(cls, message: str, valid: Iterable[str], *, also: str = "") -> Self:
        """The error whose text ends with what would have been accepted; ``valid`` holds it for programs.

        ``also``: what else would have been, and cannot be listed.
        """
        names = tuple(valid)
        error = cls(f"{message}; valid: {', '.join(names) or 'none'}{also}")
        error.valid = names
        return error


# --- what arrived was wrong -------------------------------------------------------


class MalformedMessage(ConfigMgrError):
    """The message cannot be understood."""

    def __init__(self, message: str | None = None, *, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


class MessageTooLarge(MalformedMessage):
    """The message is larger than this role accepts."""


class MalformedHistory(ConfigMgrError):
    """The file is no history of a run."""


class BadSignature(ConfigMgrError):
    """The signature does not match the registered certificate."""


class ClientCertificateNeeded(ConfigMgrError):
    """The management point is in native mode: a client certificate is needed."""


class UnknownClient(ConfigMgrError):
    """No registered client has this identity."""


class UnsafePath(ConfigMgrError):
    """The name leaves the folder it belongs to."""


class NotAuthorized(ConfigMgrError):
    """The request lacks the site's secret."""


class NotAnAdministrator(ConfigMgrError):
    """The account is none of the site's administrators."""


class WrongVerb(ConfigMgrError):
    """The verb does not go with this address."""

    def __init__(self, message: str | None = None, *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.allowed = allowed


class OwnApprovalForbidden(ConfigMgrError):
    """Authors of scripts do not approve their own."""


class InvalidObject(ConfigMgrError):
    """The object's properties do not fit its class."""


class UnsupportedQuery(ConfigMgrError):
    """The query uses something this site does not evaluate."""


class ObjectNotFound(ConfigMgrError):
    """No object has this key."""


class ObjectConflict(ConfigMgrError):
    """Another object has this key, or still refers to this one."""


class PolicyNotFound(ConfigMgrError):
    """No policy has this id and version."""


class ContentHashMismatch(ConfigMgrError):
    """The content's hash is not the announced one."""


class WrongSite(ConfigMgrError):
    """This management point cannot speak for the site, or the kind of client, that was asked about."""


class UnknownUpload(ConfigMgrError):
    """No upload session has this id; begin a new one."""


class TooManyUploads(ConfigMgrError):
    """As many uploads as this role keeps are under way; try again later."""


# --- somebody could not be reached ------------------------------------------------


class SiteDatabaseUnavailable(ConfigMgrError):
    """The site database cannot be reached; try again later."""


class SiteServerUnavailable(ConfigMgrError):
    """The site server cannot be reached; try again later."""


class _SeenFromClient(ConfigMgrError):
    """A site system did not answer a client as hoped.

    ``status`` is the HTTP status that was seen, or None when none arrived; ``sent`` tells
    whether the request may have been received, so that its effect is unknown.
    """

    def __init__(self, message: str | None = None, *, status: int | None = None, sent: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.sent = sent


class ManagementPointUnavailable(_SeenFromClient):
    """The management point cannot be reached; try again later."""


class DistributionPointUnavailable(_SeenFromClient):
    """The distribution point cannot be reached; try again later."""


# --- what keeps a client from having content --------------------------------------


class NoContentLocation(ConfigMgrError):
    """No distribution point has this version of the package."""


class CacheTooSmall(ConfigMgrError):
    """The package is larger than the client's whole cache."""


class CacheFull(ConfigMgrError):
    """The client's cache has no room that may be freed now."""


# --- the site cannot be set up as asked -------------------------------------------


class TopologyError(ConfigMgrError):
    """The topology file does not describe a site."""


class SchemaVersionMismatch(ConfigMgrError):
    """The site database was made by another version."""


class CannotStart(ConfigMgrError):
    """The role cannot start."""


class FaultRefused(ConfigMgrError):
    """This fault cannot be done here."""


class ClockRefused(ConfigMgrError):
    """The site's clock cannot be set so."""
