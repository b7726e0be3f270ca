"""Policy files are refused with file, line and rule."""

from pathlib import Path

import pytest

from credward.errors import BrokerError, ConfigErrors, Kind
from credward.policy.load import Loaded, Statement, load_policies

FORBIDS = {
    "no-manage-under-harness",
    "no-manage-unless-sure",
    "no-relays",
    "no-foreign-root",
}
GOOD = '@id("mine")\npermit (principal, action, resource);\n'


def refused(folder: Path, text: str) -> str:
    path = folder / "my.cedar"
    path.write_text(text)
    with pytest.raises(BrokerError) as caught:
        load_policies([path], mode="user")
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    return caught.value.message.replace(str(path), "my.cedar")


def test_the_shipped_policy_loads_and_knows_where_its_rules_stand() -> None:
    """Each rule by its `@id`."""
    loaded = load_policies([], mode="user")

    assert {each.rule for each in loaded.statements} == {
        "owner-may-use",
        "owner-may-manage",
        "no-strangers",
        *FORBIDS,
    }
    assert all(each.place.rpartition(":")[2].isdigit() for each in loaded.statements)


def named(loaded: Loaded, rule: str) -> Statement:
    """Return the statement with this `@id`."""
    (found,) = [each for each in loaded.statements if each.rule == rule]
    return found


@pytest.mark.parametrize("mode", ["system", "sidecar"])
def test_s7_the_other_modes_ship_forbids_and_no_permit(tmp_path: Path, mode: str) -> None:
    """S-7: what is permitted there was written by somebody."""
    path = tmp_path / "my.cedar"
    path.write_text(GOOD)

    assert {each.rule for each in load_policies([], mode=mode).statements} == FORBIDS
    loaded = load_policies([path], mode=mode)
    assert {each.rule for each in loaded.statements} == {"mine", *FORBIDS}
    assert named(loaded, "mine").place == f"{path}:1"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_can_write_permits_nothing(tmp_path: Path, mode: int) -> None:
    """As for the configuration, with the command that mends it."""
    path = tmp_path / "my.cedar"
    path.write_text(GOOD)
    path.chmod(mode)
    with pytest.raises(BrokerError) as caught:
        load_policies([path], mode="user")

    assert caught.value.message == f"{path}:1: others can write to it: run chmod go-w {path}"


def test_a_rule_may_say_what_helps(tmp_path: Path) -> None:
    """By its `@advice`, on any line of it."""
    path = tmp_path / "my.cedar"
    path.write_text(
        '@advice("ask the operator")\n@id("closed")\nforbid (principal, action, resource);\n'
    )
    loaded = load_policies([path], mode="system")

    closed = named(loaded, "closed")
    assert (closed.advice, closed.place) == ("ask the operator", f"{path}:1")


def test_what_only_looks_like_an_annotation_is_none(tmp_path: Path) -> None:
    """A comment, and a string of the rule itself."""
    path = tmp_path / "my.cedar"
    path.write_text(
        '// @id("before")\n@id("mine")\npermit (principal, action, resource)\n'
        'when { // @id("within") @advice("no")\n "@id(\\"text\\")" != "" };\n'
    )
    loaded = load_policies([path], mode="system")

    assert not {"before", "within", "text"} & {each.rule for each in loaded.statements}
    assert named(loaded, "mine").advice is None


def test_a5_a_statement_that_does_not_parse_is_named_by_its_line(tmp_path: Path) -> None:
    """A5: comments and strings with semicolons do not move the line."""
    text = f'// a; comment\n\n{GOOD}\n// more;\npermit (principal, action, resource) when {{ "a;b" == }};\n'

    assert refused(tmp_path, text).startswith("my.cedar:7: ")


def test_an_optional_attribute_must_be_tested_first(tmp_path: Path) -> None:
    """Cedar would skip such a forbid at decision time, and allow."""
    text = '@id("x")\nforbid (principal is Caller, action, resource)\nwhen { principal.harness == "claude" };'

    assert refused(tmp_path, text).startswith("my.cedar:1: ")
    assert 'in rule "x"' in refused(tmp_path, text)


def test_unknown_attributes_and_doubled_ids_are_refused(tmp_path: Path) -> None:
    """A typo is not a rule."""
    assert "colour" in refused(
        tmp_path, "permit (principal is Caller, action, resource) when { principal.colour == 1 };"
    )
    assert "is also at" in refused(tmp_path, GOOD + GOOD)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """Missing or not UTF-8."""
    with pytest.raises(BrokerError, match="cannot be read"):
        load_policies([tmp_path / "none.cedar"], mode="user")
    (tmp_path / "x.cedar").write_bytes(b"\xff")
    with pytest.raises(BrokerError, match="UTF-8"):
        load_policies([tmp_path / "x.cedar"], mode="user")


def test_all_errors_are_listed(tmp_path: Path) -> None:
    """Of all files, also of one that is none: so that each try shows what is left."""
    (tmp_path / "a.cedar").write_text("permit (principal, action\n")
    (tmp_path / "b.cedar").mkdir()
    (tmp_path / "c.cedar").write_text(GOOD + GOOD)
    with pytest.raises(ConfigErrors) as caught:
        load_policies(sorted(tmp_path.glob("*.cedar")), mode="user")

    assert sorted(
        line.partition(": ")[0][len(str(tmp_path)) + 1 :] for line in caught.value.lines
    ) == [
        "a.cedar:1",
        "b.cedar:1",
        "c.cedar:3",
    ]
    assert caught.value.message.endswith("(and 2 more): run credward config check for the list")


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """Somebody meant to have a rule there."""
    link = tmp_path / "team.cedar"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigErrors) as caught:
        load_policies([link], mode="user")

    assert caught.value.lines == (f"{link}:1: cannot be read (No such file or directory)",)
