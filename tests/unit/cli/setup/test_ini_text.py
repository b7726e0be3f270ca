"""An AWS configuration file keeps every byte that is not ours, and means what it meant."""

from configparser import RawConfigParser

import pytest

from credward.cli.setup.ini_text import get_member, remove_member, set_member
from credward.cli.setup.unreadable import UnreadableError

RICH = """\
# of the whole team

[default]
region=eu-west-1
output = json   # not a comment
s3 =
    signature_version = s3v4
    addressing_style = path
; end of it

# the next one
[sso-session corp]
sso_region : us-east-1

[profile b]
"""
NEW = ("profile credward-x", "credential_process")
LINE = "'/opt/my tools/credward-helper' --format aws-process x"


@pytest.mark.parametrize(
    "text",
    [RICH, RICH.replace("\n", "\r\n"), RICH.rstrip(), "# only this\n", "", "\n\n", "[default]"],
)
def test_what_is_there_stays_and_what_came_goes(text: str) -> None:
    """A section of ours comes last; a last line without an end gets one."""
    after = set_member(set_member(text, NEW, LINE), (NEW[0], "region"), "eu-central-1")
    ended = text if not text or text.endswith("\n") else text + "\n"

    assert after.startswith(text)
    assert get_member(after, NEW) == LINE
    assert ("\r\n" in text) == ("\r\n" in after)
    assert remove_member(after, NEW[:1]) == ended
    one_less = remove_member(remove_member(after, NEW), (NEW[0], "region"))
    assert get_member(one_less, NEW[:1]) == {}
    parser = RawConfigParser()
    parser.read_string(after)
    assert parser.get(*NEW) == LINE


@pytest.mark.parametrize(
    ("section", "before"), [("default", "; end of it"), ("sso-session corp", "[profile b]")]
)
def test_an_option_comes_after_the_others_of_its_section(section: str, before: str) -> None:
    """Not behind the blank lines and comments before the next section."""
    after = set_member(RICH, (section, "x"), "1")

    assert f"x = 1\n\n{before}" in after or f"x = 1\n{before}" in after
    assert remove_member(after, (section, "x")) == RICH


def test_a_value_is_replaced_where_it_is() -> None:
    """The lines around it stay; the key keeps its place."""
    after = set_member(RICH, ("default", "region"), "eu-north-1")

    assert after == RICH.replace("region=eu-west-1", "region = eu-north-1")


def test_what_is_missing_is_nothing() -> None:
    """Neither a section nor an option."""
    assert get_member(RICH, ("profile c",)) is None
    assert get_member(RICH, ("default", "role_arn")) is None
    assert get_member("", ()) == {}
    assert get_member("# a note\n", ()) != {}
    assert get_member("[a]\n# a note\n", ("a",)) != {}
    assert remove_member(RICH, ("profile c",)) == RICH


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("region = x\n", "at line 1"),
        ("[a]\nAKIAIOSFODNN7EXAMPLE\n", "at line 2"),
        ("[a]\nx = 1\n[a]\n", "at line 3 (it stands there a second time)"),
        ("[a]\nx = 1\nx = 2\n", "at line 3 (it stands there a second time)"),
        ("\ufeff[a]\n", "byte order mark"),
    ],
)
def test_what_aws_would_refuse_is_refused(text: str, where: str) -> None:
    """With the line, and without what stands in it."""
    with pytest.raises(UnreadableError) as refused:
        set_member(text, NEW, "x")

    assert where in str(refused.value)
    assert "AKIA" not in str(refused.value)
