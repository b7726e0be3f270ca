"""S-2: what is let through in a folder sends no request elsewhere, whichever of its files are in force.

The oracle is a plain reading of one set of variables, tried for every set that may come about.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, permutations, product

from hypothesis import example, given
from hypothesis import strategies as st

from credward.policy.redirects import check_folder
from credward.tokens import Folder, SettingsFile

GATE, EVIL = "https://gate.example", "https://evil.example"
FOUNDRY = "https://mine.services.ai.azure.com"
REGION = "https://bedrock-runtime.r1.amazonaws.com"
ALLOWED = (GATE, FOUNDRY, REGION)

VALUES = {
    "ANTHROPIC_BASE_URL": (GATE, EVIL, ""),
    "CLAUDE_CODE_USE_BEDROCK": ("1", "0", ""),
    "ANTHROPIC_BEDROCK_BASE_URL": (GATE, EVIL, ""),
    "AWS_REGION": ("r1", "r2", ""),
    "AWS_DEFAULT_REGION": ("r1", "r2"),
    "CLAUDE_CODE_USE_FOUNDRY": ("true", "off", ""),
    "ANTHROPIC_FOUNDRY_RESOURCE": ("mine", "theirs", ""),
    "UNRELATED": ("x",),
}
settings = st.sampled_from([(name, each) for name, values in VALUES.items() for each in values])
environments = st.dictionaries(
    st.sampled_from(list(VALUES)), st.sampled_from(["1", "r1", "mine", GATE])
).map(lambda found: {name: each for name, each in found.items() if each in VALUES[name]})
files = st.lists(st.lists(settings, max_size=3), min_size=1, max_size=3)


def goes_to(variables: dict[str, str]) -> set[str]:
    """Return where Claude Code goes with these variables; of two clouds either may win."""
    found = set()
    if variables.get("CLAUDE_CODE_USE_BEDROCK") == "1":
        region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
        default = f"https://bedrock-runtime.{region}.amazonaws.com" if region else "unknown"
        found.add(variables.get("ANTHROPIC_BEDROCK_BASE_URL") or default)
    if variables.get("CLAUDE_CODE_USE_FOUNDRY") == "true":
        resource = variables.get("ANTHROPIC_FOUNDRY_RESOURCE")
        found.add(f"https://{resource}.services.ai.azure.com" if resource else "unknown")
    return found or {variables.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"}


def worlds(
    environ: dict[str, str], contents: list[list[tuple[str, str]]]
) -> Iterator[dict[str, str]]:
    """Yield every set of variables: any of the files, in any order, of a doubled name any value."""
    orders = chain.from_iterable(
        permutations(contents, number) for number in range(1, len(contents) + 1)
    )
    for order in orders:
        choices = []
        for content in order:
            names = dict.fromkeys(name for name, _ in content)
            choices.append(
                [[(name, value) for known, value in content if known == name] for name in names]
            )
        for chosen in product(*(product(*each) for each in choices)):
            found = dict(environ)
            for each in chosen:
                found.update(each)
            yield found


@given(environments, files)
@example({"AWS_REGION": "r1"}, [[("CLAUDE_CODE_USE_BEDROCK", "1")], [("AWS_REGION", "r2")]])
@example(
    {"AWS_REGION": "r1"},
    [
        [("CLAUDE_CODE_USE_BEDROCK", "1")],
        [("AWS_REGION", "r2")],
        [("ANTHROPIC_BEDROCK_BASE_URL", GATE)],
    ],
)
def test_s2_nothing_that_is_let_through_goes_elsewhere(
    environ: dict[str, str], contents: list[list[tuple[str, str]]]
) -> None:
    """And what a single file without doubled names does not send elsewhere is let through."""
    folder = Folder(
        variables=tuple(environ.items()),
        files=tuple(
            SettingsFile(path=f"/{number}", variables=tuple(content))
            for number, content in enumerate(contents)
        ),
    )
    before = goes_to(environ)
    reached = set(chain.from_iterable(map(goes_to, worlds(environ, contents))))
    elsewhere = reached - before - set(ALLOWED)
    denied = check_folder(ALLOWED, (), folder) is not None

    assert denied or not elsewhere
    (only, *others) = contents
    if not others and len(dict(only)) == len(only):
        assert denied == bool(elsewhere)
