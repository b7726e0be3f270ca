"""Layers into one value, or every error at once."""

from pathlib import Path

import msgspec
import pytest

from credward.config import Config, Paths, find_paths, load_config
from credward.errors import ConfigErrors, Kind


@pytest.fixture
def paths(tmp_path: Path) -> Paths:

    found = find_paths({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "user")}, uid=1)
    (tmp_path / "user" / "credward").mkdir(parents=True)
    (tmp_path / "etc" / "config.d").mkdir(parents=True)
    return msgspec.structs.replace(found, system_config_dir=tmp_path / "etc")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def load(paths: Paths, text: str, system: str | None = None) -> Config:
    write(paths.config_file, text)
    if system is not None:
        write(paths.system_config_dir / "config.d" / "50-fleet.toml", system)
    return load_config(paths)


def errors(paths: Paths, text: str, system: str | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(paths, text, system)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    return [line.replace(f"{paths.config_file}:", "").strip() for line in caught.value.lines]


GRAPH_FOR_A_GATEWAY = """[credentials.a]
provider = "entra"
tenant = "contoso.com"
client_id = "app"
scope = "User.Read"
base_url = "https://llm.example.com"
"""
STATIC = '[credentials.a]\nprovider = "static"\n'
GOOD = '[credentials.a]\nprovider = "local"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[credentials.a]\nprovider = "locl"\n',
            '2: credentials.a: no provider "locl", perhaps "local"',
        ),
        ("[credentials.a]\nlifetime = 5\n", '1: credentials.a: "provider" is missing: one of'),
        (GOOD + "lifetme = 5\n", '3: unknown key "lifetme" for provider local, perhaps "lifetime"'),
        (
            GOOD + "\nlifetime = 'x'\n",
            "4: credentials.a.lifetime: must be a number, not a text in quotes",
        ),
        (GOOD + "lifetime = 1\n", "3: credentials.a.lifetime: must be at least 5"),
        (
            GOOD + "persist = 1\n",
            "3: credentials.a.persist: must be true or false, not a whole number",
        ),
        (
            GOOD + "keep = 'forever'\n",
            '3: credentials.a.keep: no "forever": one of "always", "demand"',
        ),
        (
            GOOD + "serve.scope = []\n",
            '3: credentials.a.serve.scope: unknown key "scope", perhaps "scopes"',
        ),
        (
            GOOD + "[credentials.a.serve]\nwhom = []\n",
            '4: credentials.a.serve.whom: unknown key "whom": one of audiences, scopes',
        ),
        (
            STATIC + 'secret = { stor = "x" }\n',
            '3: credentials.a.secret.stor: unknown key "stor", perhaps "store"',
        ),
        (
            STATIC + '[credentials.a.secret.keychain]\nservice = "s"\nacount = "x"\n',
            '5: credentials.a.secret.keychain.acount: unknown key "acount", perhaps "account"',
        ),
        ("[store]\nkeyfile = 'x'\n", '2: store.keyfile: unknown key "keyfile", perhaps "key_file"'),
        ("[policy]\ndir = 'x'\n", '2: policy.dir: unknown key "dir": one of directory'),
        (
            GOOD + "[grants.g]\nissur = 'x'\n",
            '4: unknown key "issur", perhaps "issuer"',
        ),
        (
            GOOD + "[grants.g]\nprovider = 'oauth'\nclaims = {}\n",
            '5: unknown key "claims"',
        ),
        ('[credentials."a b"]\nprovider = "local"\n', '1: "a b" is not a valid name'),
        ('[credentials."a\\n"]\nprovider = "local"\n', '1: "a\n" is not a valid name'),
        ("[credential.a]\n", '1: unknown key "credential", perhaps "credentials"'),
        ("sinks = {}\n", "1: sinks is a list of tables: write [[sinks]]"),
        (
            "[notify]\nlogin_required = []\n",
            "1: notify: login_required is a program and its arguments",
        ),
        (
            "[notify]\nlogin_required = ['./tell']\n",
            "1: notify: login_required begins with a program's name",
        ),
        (
            "[notify]\nlogin_required = 'tell'\n",
            '2: notify.login_required: must be a list such as ["…", "…"], not a text',
        ),
        ("[store]\nkey = 'vault'\n", '2: store.key: no "vault": one of "key_file", "keychain", '),
        ("[store]\nlock_after = 60\n", '2: store.lock_after needs key = "passphrase"'),
        (
            GOOD + "\n[listen]\nmode = 'open'\n",
            '5: listen.mode: no "open": one of "sidecar", "system", "user"',
        ),
        ('default = "b"\n' + GOOD, '1: default "b" is not a configured credential'),
        ("default = \n", "1: not valid TOML, a value is missing or a text is not in quotes"),
        ('requires = ">=9.9"\n', "1: requires credward >=9.9, this is"),
        ("[listen]\nmode = 'sidecar'\n", "2: mode sidecar ships no permit"),
        ('[credentials.a]\nprovider = "static"\nsecret = "sk-canary"\n', "1: credentials.a"),
        (
            GRAPH_FOR_A_GATEWAY,
            "1: credentials.a: a token with this scope is for Microsoft Graph",
        ),
    ],
)
def test_each_planted_error_has_its_line_and_says_what(
    paths: Paths, text: str, expected: str
) -> None:
    """With the nearest name where it looks like a typo."""
    (line,) = errors(paths, text)

    assert line.startswith(expected.split(": ", maxsplit=1)[0] + ": ")
    assert expected.partition(": ")[2] in line
    assert "canary" not in line


def test_what_a_grant_gets_wrong_is_told_once_and_there(paths: Paths) -> None:
    """Whatever is on it; at the key itself, in tables below it too."""
    words = '[credentials.{}]\nprovider = "oauth"\ngrant = "g"\nclient_id = "c"\n'
    text = words.format("a") + words.format("b") + "[grants.g]\n"
    issuer = 'issuer = "https://login.example.com"\n'

    assert errors(paths, text + issuer + 'scop = "x"\n') == [
        '11: unknown key "scop" for provider oauth, perhaps "scope"'
    ]
    assert errors(paths, text + issuer + 'client_secret = { fil = "/x" }\n') == [
        '11: grants.g.client_secret.fil: unknown key "fil", perhaps "file"'
    ]
    assert errors(paths, text + "issuer = 7\n") == [
        "10: grants.g.issuer: must be a text in quotes, not a whole number"
    ]


def test_every_unknown_key_of_a_table_is_told(paths: Paths) -> None:
    """Not only the first of them."""
    found = errors(paths, "[listen]\nmod = 'user'\ngrup = 'x'\n" + GOOD + "serve.scop = []\n")

    assert [line.rpartition("perhaps ")[2] for line in found] == ['"scopes"', '"mode"', '"group"']


def test_all_errors_come_at_once(paths: Paths) -> None:
    """Mending one after the other is nobody's idea of fun."""
    found = errors(
        paths,
        '[credentials.a]\nprovider = "x"\n[credentials.b]\nprovider = "local"\nq = 1\n[polcy]\n',
    )

    assert len(found) == 3


def test_a_common_credential_needs_three_lines(paths: Paths) -> None:
    """And gets sensible defaults."""
    config = load(paths, '[credentials.gw]\nprovider = "command"\ncommand = ["/bin/tool", "x"]\n')
    gateway = config.credentials["gw"]

    assert (gateway.grant, gateway.keep, gateway.base_urls) == ("gw", "demand", ())
    assert gateway.origin == f"{paths.config_file}:1"
    assert config.listen.mode == "user"
    assert config.sources == (paths.config_file,)


def test_what_the_system_defines_cannot_be_redefined(paths: Paths) -> None:
    """The error names both files."""
    (line,) = errors(paths, GOOD, system=GOOD)
    assert line == f'1: "a" is defined by {paths.system_config_dir}/config.d/50-fleet.toml:1'
    (line,) = errors(paths, "[audit]\npath = '/x'\n", system="[audit]\npath = '/y'\n")

    assert "audit.path is set by" in line


def test_layers_add_up(paths: Paths) -> None:
    """Credentials of both, keys of one table from several files."""
    config = load(
        paths,
        'default = "b"\n[credentials.b]\nprovider = "local"\n[audit]\nsync = "always"\n',
        system=GOOD + '[audit]\npath = "/var/log/credward.log"\n',
    )

    assert set(config.credentials) == {"a", "b"}
    assert (str(config.audit.path), config.audit.sync) == ("/var/log/credward.log", "always")


def test_system_files_of_a_newer_version_only_warn(paths: Paths) -> None:
    """Fleets run mixed versions; with `requires` they are as strict as users' files."""
    config = load(paths, GOOD, system="[hologram]\nx = 1\n")
    assert len(config.warnings) == 1
    assert "hologram" in config.warnings[0]

    with pytest.raises(ConfigErrors):
        load(paths, GOOD, system='requires = ">=0.1"\n[hologram]\nx = 1\n')


def test_the_epoch_changes_with_what_makes_a_token(paths: Paths) -> None:
    """Not with how it is handed out, nor with where it stands."""
    before = load(paths, GOOD).credentials["a"].epoch
    moved = load(paths, "\n\n" + GOOD + "header = 'X-Key'\nidle_after = 5\n").credentials["a"].epoch
    changed = load(paths, GOOD + "lifetime = 60\n").credentials["a"].epoch

    assert moved == before
    assert changed != before


def test_no_file_at_all_is_an_empty_configuration(paths: Paths) -> None:
    """Nothing is configured, which is no error."""
    assert load_config(paths).credentials == {}


def test_an_explicit_file_must_exist(paths: Paths, tmp_path: Path) -> None:
    """Named and missing is an error."""
    with pytest.raises(ConfigErrors, match="does not exist"):
        load_config(paths, tmp_path / "none.toml")


def test_the_store_is_a_value_with_its_layers_merged(paths: Paths) -> None:
    """A system file may fix the source of the key, and what else is said must fit it."""
    config = load(paths, "[store]\nlock_after = 60\n", system="[store]\nkey = 'passphrase'\n")

    assert (config.store.key, config.store.lock_after) == ("passphrase", 60)
    assert errors(paths, "[store]\nkey_file = '/k'\n", system="[store]\nkey = 'memory'\n") == [
        '2: store.key_file needs key = "key_file", not "memory"'
    ]


def test_the_variable_of_a_derived_key_needs_no_mention(paths: Paths) -> None:
    """What the block says comes first."""
    block = '[credentials.NAME]\nprovider = "aws"\nprofile = "base"\nderive = "bedrock-api-key"\n'
    block += 'region = "eu-central-1"\n'
    config = load(
        paths, block.replace("NAME", "a") + block.replace("NAME", "b") + 'env_name = "MINE"\n'
    )

    assert config.credentials["a"].env_name == "AWS_BEARER_TOKEN_BEDROCK"
    assert config.credentials["b"].env_name == "MINE"


def test_audiences_of_the_settings_need_no_second_mention(paths: Paths) -> None:
    """Beside those that are listed."""
    config = load(
        paths,
        '[credentials.f]\nprovider = "entra"\nsource = "az"\nresource = "my-res"\n'
        'serve.audiences = ["api://x"]\n',
    )

    assert config.credentials["f"].audiences == (
        "api://x",
        "https://ai.azure.com",
        "https://cognitiveservices.azure.com",
    )


def test_a_shared_grant_is_presented_at_one_place(paths: Paths) -> None:
    """Two servers under one grant would each be sent what is the other's."""
    words = 'grant = "sso"\nprovider = "oauth"\nclient_id = "c"\n'
    text = (
        f'[credentials.a]\n{words}issuer = "https://a.example"\nscope = "x"\n'
        f'[credentials.b]\n{words}issuer = "https://a.example"\nscope = "y"\n'
        f'[credentials.c]\n{words}issuer = "https://evil.example"\n'
    )
    (found,) = errors(paths, text)

    assert '"c" shares grant "sso" with "a", but names another provider, server or client' in found
