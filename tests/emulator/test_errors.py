"""An error may list what would have been accepted, in its text and for programs."""

from emulator.errors import ConfigMgrError, FaultRefused


def test_what_is_valid_is_in_the_text_and_beside_it() -> None:
    error = FaultRefused.naming_valid("unknown fault 'x'", (name for name in ("hung", "killed")))
    assert (str(error), error.valid) == ("unknown fault 'x'; valid: hung, killed", ("hung", "killed"))
    error = FaultRefused.naming_valid("'x' cannot have it", ["a"], also=", or their computers")
    assert (str(error), error.valid) == ("'x' cannot have it; valid: a, or their computers", ("a",))
    assert str(FaultRefused.naming_valid("no fault", ())) == "no fault; valid: none"
    assert (str(ConfigMgrError()), list(ConfigMgrError().valid)) == ("Something went wrong in the site.", [])
