"""S-2: what is let through in a folder sends no request elsewhere, whichever of its files are in force.

From the bytes of the files on. The oracle is a plain reading of one set of variables, tried for
every set that may come about, with what JavaScript was seen to make of each spelling of a value.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, permutations, product
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credward.folder import Record
from credward.policy.claude_settings import read_folder
from credward.policy.redirects import check_folder
from fakes.folder_body import encode

GATE, EVIL = "https://gate.example", "https://evil.example"
ALLOWED = {
    GATE,
    "https://mine.services.ai.azure.com",
    "https://bedrock-runtime.r1.amazonaws.com",
}
UNSET = ""


@dataclass(frozen=True)
class Spelling:
    """A value as it stands in JSON, and what it may be to Claude Code."""

    raw: str
    becomes: tuple[str, ...]
    plain: bool = False


def plain(*values: str) -> list[Spelling]:
    return [Spelling(json.dumps(each), (each,), plain=True) for each in values]


ON = [
    Spelling("1", ("1",)),
    Spelling("true", ("true",)),
    Spelling("1.0", ("1",)),
    Spelling("1e0", ("1",)),
    Spelling("[1]", ("1",)),
    Spelling('["on"]', ("on",)),
    Spelling(r'"\ufeff1"', ("\ufeff1",)),
    Spelling(r'" Yes\u2028"', (" Yes\u2028",)),
    # Node gives it to the system, which ends it at the NUL.
    Spelling(r'"1\u0000"', ("1\0", "1")),
]
OFF = [
    Spelling("0", ("0",)),
    Spelling("null", ("null",)),
    Spelling("[]", ("",)),
    Spelling(r'"\u001c1"', ("\x1c1",)),
    Spelling(r'"1\u0085"', ("1\x85",)),
    Spelling(r'"\u180e1"', ("\u180e1",)),
]
EVILS = [
    Spelling(rf'"\ufeff{EVIL}"', (f"\ufeff{EVIL}",)),
    Spelling(f'["{EVIL}"]', (EVIL,)),
    Spelling(rf'"{EVIL}\u0000"', (f"{EVIL}\0", EVIL)),
]
SPELLINGS = {
    "ANTHROPIC_BASE_URL": [*plain(GATE, EVIL, UNSET), *EVILS],
    "CLAUDE_CODE_USE_BEDROCK": [*plain("1", "0", UNSET), *ON, *OFF],
    "ANTHROPIC_BEDROCK_BASE_URL": [*plain(GATE, EVIL, UNSET), *EVILS],
    "AWS_REGION": [*plain("r1", "r2", UNSET), Spelling("2.0", ("2",))],
    "AWS_DEFAULT_REGION": plain("r1", "r2"),
    "CLAUDE_CODE_USE_FOUNDRY": [*plain("true", "off", UNSET), *ON, *OFF],
    "ANTHROPIC_FOUNDRY_RESOURCE": plain("mine", "theirs", UNSET),
    "UNRELATED": [*plain("x"), Spelling("[1.5]", ("1.5",))],
}
WORDS = {
    name: [each.becomes[0] for each in spellings if each.plain]
    for name, spellings in SPELLINGS.items()
}
Content = list[tuple[str, Spelling]]
settings = st.sampled_from(
    [(name, each) for name, spellings in SPELLINGS.items() for each in spellings]
)
environments = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in WORDS.items()}
)
contents_of_files = st.lists(st.lists(settings, max_size=3), min_size=1, max_size=3)

# --- the oracle ------------------------------------------------------------------------------

# What String.prototype.trim was seen to remove (node 20).
SPACE = "\\t-\\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
# Which variable decided, and the address.
Goal = tuple[str, str]


def without_space(value: str) -> str:
    return re.sub(f"^[{SPACE}]+|[{SPACE}]+$", "", value)


def is_on(value: str | None) -> bool:
    return without_space(value or "").lower() in {"1", "true", "yes", "on"}


def goes_to(variables: dict[str, str]) -> set[Goal]:
    """Return where Claude Code goes with these variables; of two clouds either may win."""

    def first(cloud: str, *options: tuple[str, str]) -> Goal:
        for name, around in options:
            if value := without_space(variables.get(name, "")):
                return name, around.format(value)
        return cloud, "unknown"

    found = set()
    if is_on(variables.get("CLAUDE_CODE_USE_BEDROCK")):
        at_region = "https://bedrock-runtime.{}.amazonaws.com"
        found.add(
            first(
                "bedrock",
                ("ANTHROPIC_BEDROCK_BASE_URL", "{}"),
                ("AWS_REGION", at_region),
                ("AWS_DEFAULT_REGION", at_region),
            )
        )
    if is_on(variables.get("CLAUDE_CODE_USE_FOUNDRY")):
        at_resource = "https://{}.services.ai.azure.com"
        found.add(first("foundry", ("ANTHROPIC_FOUNDRY_RESOURCE", at_resource)))
    return found or {first("plain", ("ANTHROPIC_BASE_URL", "{}"))}


def worlds(environ: dict[str, str], contents: Sequence[Content]) -> Iterator[dict[str, str]]:
    """Yield every set of variables: any of the files, in any order, of a doubled name any value."""
    orders = chain.from_iterable(
        permutations(contents, number) for number in range(1, len(contents) + 1)
    )
    for order in orders:
        choices = []
        for content in order:
            names = dict.fromkeys(name for name, _ in content)
            choices.append(
                [
                    [
                        (name, value)
                        for known, each in content
                        for value in each.becomes
                        if known == name
                    ]
                    for name in names
                ]
            )
        for chosen in product(*(product(*each) for each in choices)):
            found = dict(environ)
            for each in chosen:
                found.update(each)
            yield found


def elsewhere(before: dict[str, str], contents: Sequence[Content]) -> set[Goal]:
    """Return what the files add to where requests went before, but for what is allowed."""
    reached = set(chain.from_iterable(map(goes_to, worlds(before, contents))))
    return {goal for goal in reached - goes_to(before) if goal[1] not in ALLOWED}


def all_before(told: dict[str, str], content: Content) -> Iterator[dict[str, str]]:
    """Yield every environment of the user by which the helper may have been told *told*."""
    # Each by itself: what is in force above the file may have won for the others.
    same = [name for name, each in content if told.get(name, UNSET) == each.becomes[0]]
    for values in product(*([UNSET, *WORDS[name]] for name in same)):
        yield {**told, **dict(zip(same, values, strict=True))}


# --- what is tested --------------------------------------------------------------------------


def denies(told: dict[str, str], contents: Sequence[Content]) -> bool:
    """Return whether the token is refused where these files lie, as helper and daemon do it."""
    variables = [
        Record(kind="variable", name=name.encode(), content=value.partition("\0")[0].encode())
        for name, value in told.items()
        if value.partition("\0")[0]
    ]
    files = [
        Record(kind="file", name=b"/%d" % number, content=as_json(content))
        for number, content in enumerate(contents)
    ]
    folder = read_folder(encode([*variables, *files]), home=None)
    return check_folder(sorted(ALLOWED), (), folder) is not None


def as_json(content: Content) -> bytes:
    members = ", ".join(f"{json.dumps(name)}: {each.raw}" for name, each in content)
    return f'{{"env": {{{members}}}}}'.encode()


def spelled(name: str, raw: str) -> tuple[str, Spelling]:
    return name, next(each for each in SPELLINGS[name] if each.raw == raw)


def written(name: str, value: str) -> tuple[str, Spelling]:
    return spelled(name, json.dumps(value))


@given(environments, contents_of_files, st.none() | st.integers(0, 999))
@example(
    {"AWS_REGION": "r1"},
    [[written("CLAUDE_CODE_USE_BEDROCK", "1")], [written("AWS_REGION", "r2")]],
    None,
)
@example(
    {"AWS_REGION": "r1"},
    [
        [written("CLAUDE_CODE_USE_BEDROCK", "1")],
        [written("AWS_REGION", "r2")],
        [written("ANTHROPIC_BEDROCK_BASE_URL", GATE)],
    ],
    None,
)
@example({}, [[written("ANTHROPIC_BASE_URL", EVIL)]], 0)
@example(
    {"ANTHROPIC_BASE_URL": GATE, "ANTHROPIC_FOUNDRY_RESOURCE": "theirs"},
    [[spelled("CLAUDE_CODE_USE_FOUNDRY", "1.0")]],
    None,
)
@example(
    {"ANTHROPIC_BASE_URL": EVIL, "ANTHROPIC_FOUNDRY_RESOURCE": "mine"},
    [[spelled("CLAUDE_CODE_USE_FOUNDRY", r'"\u001c1"'), written("ANTHROPIC_BASE_URL", EVIL)]],
    0,
)
def test_s2_nothing_that_is_let_through_goes_elsewhere(
    before: dict[str, str], contents: list[Content], which: int | None
) -> None:
    """Even if an agent hands its helper what one of its worlds became, not what it was before."""
    told = before
    if which is not None:
        became = list(worlds(before, contents))
        told = became[which % len(became)]

    assert denies(told, contents) or not elsewhere(before, contents)


@given(environments, st.lists(settings.filter(lambda each: each[1].plain), max_size=3))
def test_s2_what_sends_nothing_elsewhere_is_let_through(
    told: dict[str, str], content: Content
) -> None:
    """Of one file, without doubled names or odd values: it is denied for a world that may be."""
    content = list(dict(content).items())
    may_be = any(elsewhere(before, [content]) for before in all_before(told, content))

    assert denies(told, [content]) == may_be


def test_s2_the_oracle_says_of_each_spelling_what_javascript_makes_of_it(tmp_path: Path) -> None:
    """Each text that a settings file may hold here, tried in Node: `coerce.string` of a schema is `String`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    spellings = {each for found in SPELLINGS.values() for each in found}
    program = tmp_path / "coerce.js"
    program.write_text(
        "const made = {};"
        f"for (const raw of {json.dumps([each.raw for each in spellings])}) {{"
        "  const text = process.env.TRIED = String(JSON.parse(raw));"
        "  made[raw] = [text, process.env.TRIED];"
        "}"
        "console.log(JSON.stringify(made));"
    )
    done = subprocess.run([node, program], capture_output=True, text=True, timeout=60, check=True)

    assert {raw: set(texts) for raw, texts in json.loads(done.stdout).items()} == {
        each.raw: set(each.becomes) for each in spellings
    }
