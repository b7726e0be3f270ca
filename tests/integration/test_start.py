"""Who is started when nobody listens: the daemon of the account, whatever the environment of the caller says.

Each client has a real daemon started, in an account of the test's own.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from canaries import canary
from integration.accounts import CLIENTS, Account, account_of_its_own, install
from marks import quick, slow
from waiting import PATIENCE, until

# What the owner configured: a token of a program, and a secret that is bound to a host.
OURS = """
[credentials.gateway]
provider = "command"
command = ["/bin/echo", "the-owners-token"]
lifetime = 600

[credentials.key]
provider = "static"
secret = { store = "key" }
base_url = "https://llm.example.com"
"""
# What a repository would like to be in force, over the owner's store.
THEIRS = """
[credentials.gateway]
provider = "command"
command = ["{repo}/leave-word", "command"]
lifetime = 600

[credentials.key]
provider = "static"
secret = {{ store = "key" }}

[store]
key_file = "{home}/.config/credward/store.key"
"""
# A program of the repository: says which way it was run, and prints a token.
LEAVE_WORD = """\
#!/bin/sh
echo "$0 $*" >>{repo}/ran
echo the-repositorys-token
"""
# What a repository's settings may put into the environment of whoever asks.
CHANNELS = {
    "HOME": {"HOME": "{repo}"},
    "XDG_CONFIG_HOME": {"XDG_CONFIG_HOME": "{repo}/.config"},
    "XDG_STATE_HOME": {"XDG_STATE_HOME": "{repo}/.state"},
    "XDG_RUNTIME_DIR": {"XDG_RUNTIME_DIR": "{repo}/run"},
    "a bus": {
        "DBUS_SESSION_BUS_ADDRESS": "unixexec:path={repo}/leave-word,argv1=bus",
        "XDG_RUNTIME_DIR": "{repo}/run",
    },
    "CREDWARD_CONFIG": {"CREDWARD_CONFIG": "{repo}/.config/credward/config.toml"},
    "PYTHONPATH": {"PYTHONPATH": "{repo}/python"},
    "PYTHONHOME": {"PYTHONHOME": "{repo}/python"},
    "PYTHONSTARTUP": {"PYTHONSTARTUP": "{repo}/python/sitecustomize.py"},
    "PATH": {"PATH": "{repo}/bin:/usr/bin:/bin"},
}
CHANNELS["all of them"] = {
    name: value for channel in CHANNELS.values() for name, value in channel.items()
}


@pytest.fixture
def account(folder: Path) -> Iterator[Account]:
    """An account with nothing configured."""
    with account_of_its_own(folder) as made:
        yield made


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, folder: Path) -> list[str]:
    """The command of each program that asks."""
    return install(request.param, folder / "bin")


@pytest.fixture(scope="module")
def home_of_owner() -> Iterator[Path]:
    """A home with a configuration, and a secret in a store that a daemon made."""
    folder = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    with account_of_its_own(folder) as account:
        account.write_config(OURS)
        stored = account.cli("secret", "set", "key", given=canary("stored"))
        assert stored.returncode == 0, stored.stderr
        account.stop_daemon()
    yield account.home
    shutil.rmtree(folder)


@pytest.fixture
def owner(account: Account, home_of_owner: Path) -> Account:
    """The account with its configuration, a secret in its store, and no daemon that runs."""
    shutil.copytree(home_of_owner, account.home, dirs_exist_ok=True)
    return account


@pytest.fixture
def repo(owner: Account, folder: Path) -> Path:
    """A repository with all that it would need."""
    path = folder / "repo"
    for each in (".config/credward", ".state", "run", "bin", "python"):
        (path / each).mkdir(mode=0o700, parents=True)
    program = path / "leave-word"
    program.write_text(LEAVE_WORD.format(repo=path))
    program.chmod(0o755)
    for name in ("credward", "python", "python3", "systemctl", "sh", "env"):
        (path / "bin" / name).symlink_to(program)
    config = path / ".config/credward/config.toml"
    config.write_text(THEIRS.format(repo=path, home=owner.home))
    config.chmod(0o600)
    # Imported by any interpreter that finds it, and then it says which program that is.
    (path / "python/sitecustomize.py").write_text(
        f'import sys\nopen("{path}/ran", "a").write(f"import {{sys.orig_argv}}\\n")\n'
    )
    # With a unit, the service manager is asked first.
    unit = owner.home / ".config/systemd/user/credward.socket"
    unit.parent.mkdir(parents=True)
    unit.touch()
    return path


def written(repo: Path) -> str:
    """Return what programs and modules of the repository left."""
    path = repo / "ran"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    "channel", quick("all of them", "HOME", "CREDWARD_CONFIG", "PYTHONPATH", among=CHANNELS)
)
def test_s1_no_variable_of_a_repository_decides_what_is_started(
    owner: Account, client: list[str], repo: Path, channel: str
) -> None:
    """Its configuration is not in force, its programs do not run, the owner's secret is not printed."""
    said = {name: value.format(repo=repo) for name, value in CHANNELS[channel].items()}
    key = owner.run(*client, "key", **said)
    gateway = owner.run(*client, "gateway", **said)

    assert written(repo) == ""
    assert (key.returncode, key.stdout) == (77, "")
    assert 'for "key"' in key.stderr or '"key"' in key.stderr
    assert (gateway.returncode, gateway.stdout) == (0, "the-owners-token\n"), gateway.stderr
    assert len(owner.daemons()) == 1
    assert sorted(path.name for path in (repo / ".state").iterdir()) == []
    assert sorted(path.name for path in (repo / "run").iterdir()) == []


def test_get_starts_the_daemon_and_reload_needs_no_restart(owner: Account) -> None:
    """The first ask after boot starts it; a changed file is taken over; there is one for a store."""
    first = owner.cli("get", "gateway")
    owner.write_config(OURS.replace("gateway", "other"))
    reloaded = owner.cli("daemon", "reload")

    assert first.stdout == "the-owners-token\n", first.stderr
    assert reloaded.stdout == "in force: key, other\n", reloaded.stderr
    assert owner.cli("serve", "--detach").returncode == 73


def test_s1_a_program_in_python_has_it_started_alike(owner: Account, repo: Path) -> None:
    """By the same rules: the owner's configuration is in force, and one is enough for all its threads."""
    said = {name: value.format(repo=repo) for name, value in CHANNELS["all of them"].items()}
    code = """
        import credward, threading
        provider = credward.token_provider("gateway")
        asking = [threading.Thread(target=lambda: print(provider())) for _ in range(4)]
        [each.start() for each in asking]
        [each.join() for each in asking]
    """
    python = (sys.executable, "-I", "-c", textwrap.dedent(code))
    forbidden = owner.run(*python, **said, CREDWARD_NO_START="1")
    assert "CREDWARD_NO_START forbids to start it" in forbidden.stderr
    assert owner.daemons() == []
    done = owner.run(*python, **said)

    assert done.stdout == "the-owners-token\n" * 4, done.stderr
    assert written(repo) == ""
    assert len(owner.daemons()) == 1


def test_start_says_where_the_daemon_listens(owner: Account) -> None:
    """The one that it started, and the one that it finds; one word more is a mistake."""
    started, found = owner.cli("start"), owner.cli("start")

    assert (started.returncode, started.stdout) == (0, "/run/user/0/credward/credward.sock\n")
    assert (found.returncode, found.stdout) == (0, started.stdout)
    assert owner.cli("start", "now").returncode == 64
    assert owner.cli("start", "--help").returncode == 0
    assert owner.cli("start", CREDWARD_WORKER="1").returncode == 78
    assert len(owner.daemons()) == 1


def test_s1_status_starts_nothing(owner: Account, repo: Path) -> None:
    """It only looks; the repository's configuration is what it may say something about, no more."""
    said = {name: value.format(repo=repo) for name, value in CHANNELS["all of them"].items()}
    shown = owner.cli("status", **said)

    assert (shown.returncode, shown.stdout) == (69, "")
    assert written(repo) == ""
    assert owner.daemons() == []


def test_the_daemon_has_an_environment_of_the_account_alone(
    owner: Account, client: list[str]
) -> None:
    """A fixed search path, the usual places, no session of the caller's, no descriptor, no terminal."""
    owner.run(*client, "gateway", ANTHROPIC_API_KEY="x", XDG_DATA_HOME="/data", LANG="C.UTF-8")
    (daemon,) = owner.daemons()
    process = Path(f"/proc/{daemon}")
    said = dict(
        line.split("=", 1) for line in (process / "environ").read_text().split("\0") if line
    )
    # The C library's own, of an interpreter that was started without a locale.
    said.pop("LC_CTYPE", None)

    assert said == {
        "HOME": str(owner.home),
        "USER": "root",
        "LOGNAME": "root",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": "/run/user/0",
    }
    assert [os.readlink(process / f"fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    assert os.readlink(process / "cwd") == "/"


def test_a_language_that_is_a_path_is_not_handed_on(owner: Account, client: list[str]) -> None:
    """Locales are loaded from files."""
    owner.run(*client, "gateway", LANG="../../repo/locale")
    (daemon,) = owner.daemons()

    assert "LANG=" not in Path(f"/proc/{daemon}/environ").read_text()


def test_s10_fifty_clients_start_one_daemon(owner: Account, client: list[str]) -> None:
    """A harness starts its sessions at once."""
    count = 50 if client[0] != sys.executable else 12
    starts = owner.log().count("ready at")
    crowd = [owner.popen(*client, "gateway") for _ in range(count)]
    results = [(process.communicate(timeout=2 * PATIENCE), process.returncode) for process in crowd]

    assert results == [(("the-owners-token\n", ""), 0)] * count
    assert len(owner.daemons()) == 1
    assert owner.log().count("ready at") == starts + 1


def test_a_failing_start_is_told_to_those_who_waited(owner: Account, client: list[str]) -> None:
    """With the daemon's own words; a client that comes later tries again."""
    good = owner.config_file.read_text()
    owner.write_config("nonsense = 1\n")
    lock = owner.state_dir / "start.lock"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        # Helpers wait for each other for a quarter of this, before they all wait for the lock.
        crowd = [owner.popen(*client, "--timeout", "12", "gateway") for _ in range(5)]
        until(lambda: waiting_at(lock) == 5)
    results = [(process.communicate(timeout=2 * PATIENCE), process.returncode) for process in crowd]
    record = lock.read_text()
    owner.write_config(good)
    later = owner.run(*client, "gateway")

    ((_, said), _) = results[0]
    assert re.fullmatch(r'credward: .*config\.toml:1: unknown key "nonsense".*\n', said)
    assert results == [(("", said), 78)] * 5
    # One attempt, of which the others heard: it was written once.
    assert record.count("\n") == 1
    assert (later.returncode, later.stdout) == (0, "the-owners-token\n"), later.stderr


def waiting_at(lock: Path) -> int:
    """Return how many processes wait for a lock (proc(5), /proc/locks)."""
    inode = lock.stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and f":{inode} " in line for line in lines)


def test_without_a_configuration_nothing_is_started(account: Account, client: list[str]) -> None:
    """What comes first is named, in the same words by all."""
    done = account.run(*client, "gateway")

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == "credward: nothing is configured yet: run credward add\n"
    assert account.daemons() == []


def test_a_configuration_elsewhere_counts_once_it_is_recorded(
    account: Account, client: list[str], folder: Path
) -> None:
    """The line says why the one that the environment names is not in force."""
    elsewhere = folder / "elsewhere"
    config = elsewhere / "credward/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(OURS)
    done = account.run(*client, "gateway", XDG_CONFIG_HOME=str(elsewhere))

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == (
        f'credward: nothing is configured in "{account.home}/.config/credward", and '
        "XDG_CONFIG_HOME counts only once it is recorded: run credward daemon start in your own "
        "terminal\n"
    )
    assert account.daemons() == []


def test_a_record_that_leads_to_nothing_is_named(
    account: Account, client: list[str], folder: Path
) -> None:
    """The caller has a configuration and sets nothing: what it types makes the record right."""
    account.config_file.parent.mkdir(parents=True, exist_ok=True)
    account.config_file.write_text(OURS)
    account.record.write_text(f"XDG_CONFIG_HOME={folder}/gone\n")
    account.record.chmod(0o600)
    refused = account.run(*client, "gateway")
    account.cli("daemon", "start")
    done = account.run(*client, "gateway")

    assert refused.returncode == 69
    assert refused.stderr == (
        f'credward: nothing is configured in "{folder}/gone/credward", and the recorded '
        "XDG_CONFIG_HOME counts: run credward daemon start in your own terminal\n"
    )
    assert (done.returncode, done.stdout) == (0, "the-owners-token\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("HOME", ""), ("CREDWARD_CONFIG", "/.config/credward/config.toml")]
)
def test_s1_what_no_automatic_start_goes_by_is_named(
    account: Account, folder: Path, name: str, value: str
) -> None:
    """`add` would find a configuration there already; what it says, and `get`, can be typed."""
    config = folder / "elsewhere/.config/credward/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(OURS)
    said = {name: f"{folder}/elsewhere{value}"}
    refused = account.cli("get", "gateway", **said)
    told = account.cli("add", **said)
    followed = account.cli("serve", "--detach", **said)

    assert refused.returncode == 69
    assert refused.stderr == (
        f'credward: nothing is configured in "{account.home}/.config/credward", and an automatic '
        f"start does not use {name}: run credward daemon start in your own terminal\n"
    )
    assert told.stderr == (
        f"warning: an automatic start does not use {name}: "
        "run credward daemon start in your own terminal\n"
    )
    assert followed.returncode == 0, followed.stderr
    assert account.cli("get", "gateway", **said).stdout == "the-owners-token\n"


def test_a_start_by_hand_records_what_is_configured_already(
    account: Account, client: list[str], folder: Path
) -> None:
    """What the line above says to type; it changes no other file."""
    config = folder / "elsewhere/credward/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(OURS)
    recorded = account.cli("daemon", "start", XDG_CONFIG_HOME=str(folder / "elsewhere"))
    done = account.run(*client, "gateway")

    assert f"uses XDG_CONFIG_HOME={folder}/elsewhere\n" in recorded.stderr
    assert config.read_text() == OURS
    assert (done.returncode, done.stdout) == (0, "the-owners-token\n"), done.stderr
    assert sorted(path.name for path in account.config_file.parent.iterdir()) == ["start.env"]


# A filter that lets everything pass; what counts is that there is one (seccomp(2)).
FILTERED = textwrap.dedent("""
    import ctypes, os, struct, sys
    libc = ctypes.CDLL(None)
    permit = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000))
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(permit))
    if libc.syscall({"x86_64": 317, "aarch64": 277}[os.uname().machine], 1, 0, program):
        sys.exit("no filter")
    os.execvp(sys.argv[1], sys.argv[1:])
""")
RESTRICTIONS: dict[str, tuple[str, ...]] = {
    "no new privileges": ("setpriv", "--no-new-privs"),
    # /proc/PID/status lists them above its limits.
    "no new privileges, and many groups": (
        *("setpriv", "--no-new-privs", "--groups"),
        ",".join(str(group) for group in range(4_000_000_000, 4_000_000_700)),
    ),
    "system call filter": (sys.executable, "-I", "-c", FILTERED),
    "user namespace": ("unshare", "-U", "-r"),
    "session": ("env", "CREDWARD_SESSION=s1"),
}


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_s9_a_restricted_place_starts_nothing(
    owner: Account, client: list[str], restriction: str
) -> None:
    """A daemon of a sandbox would serve everybody from inside of it: no client starts one."""
    before = RESTRICTIONS[restriction]
    possible = owner.run("true", before=before)
    if possible.returncode != 0:
        pytest.skip(f"needs {before[0]}: {possible.stderr.strip()}")
    done = owner.run(*client, "gateway", before=before)

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == (
        "credward: the daemon is not running and must not be started from inside a sandbox: "
        "run credward daemon start outside of it\n"
    )
    assert owner.daemons() == []


def test_a_restricted_place_may_ask_a_daemon_that_runs(owner: Account, client: list[str]) -> None:
    """Only the start is refused there."""
    owner.run(*client, "gateway")
    done = owner.run(*client, "gateway", before=RESTRICTIONS["no new privileges"])

    assert (done.returncode, done.stdout) == (0, "the-owners-token\n")


@pytest.mark.parametrize(
    "forbid",
    [
        {"CREDWARD_NO_START": "1"},
        {"CREDWARD_NO_START": "no"},
        {"CREDWARD_NO_START": " 0"},
        {"CREDWARD_SOCKET": "/nowhere/credward.sock"},
    ],
    ids=" ".join,
)
def test_a_daemon_that_is_not_wanted_is_not_started(
    owner: Account, client: list[str], forbid: dict[str, str]
) -> None:
    """The caller's environment can only forbid."""
    done = owner.run(*client, "gateway", **forbid)

    assert (done.returncode, done.stdout) == (69, "")
    assert owner.daemons() == []


def test_a_daemon_elsewhere_is_not_replaced_by_one_here(
    owner: Account, client: list[str], tmp_path: Path
) -> None:
    """CREDWARD_URL leads to one, as in a container."""
    token = tmp_path / "token"
    token.write_text(f"credward_{'x' * 43}")
    where = {"CREDWARD_URL": "http://127.0.0.1:1", "CREDWARD_TOKEN_FILE": str(token)}
    done = owner.run(*client, "gateway", **where)

    assert (done.returncode, done.stdout) == (69, "")
    assert owner.daemons() == []


def test_no_start_that_is_off_is_no_word_against_it(owner: Account, client: list[str]) -> None:
    """CREDWARD_NO_START=0 is as good as unset."""
    done = owner.run(*client, "gateway", CREDWARD_NO_START="0")

    assert (done.returncode, done.stdout) == (0, "the-owners-token\n"), done.stderr
    assert len(owner.daemons()) == 1


def test_a_daemon_of_another_place_is_named(owner: Account, client: list[str]) -> None:
    """One daemon per store: where it listens at a place of its own, nobody finds it by himself."""
    path = owner.home / "own.sock"
    owner.cli("serve", "--detach", "--socket", str(path))
    done = owner.run(*client, "gateway")

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == (
        "credward: the daemon is running, but not where clients look: "
        "run credward serve to see where\n"
    )
    assert owner.run(*client, "gateway", CREDWARD_SOCKET=str(path)).returncode == 0


def test_the_unit_is_started_where_it_is_installed(
    owner: Account, client: list[str], folder: Path
) -> None:
    """By the service manager, with the bus of the account; where that fails, by hand."""
    unit = owner.home / ".local/share/systemd/user/credward.socket"
    unit.parent.mkdir(parents=True)
    unit.touch()
    manager = folder / "systemctl"
    manager.write_text(f'#!/bin/sh\n{{ echo "$*"; env; }} >"{folder}/asked"\nexit 1\n')
    manager.chmod(0o755)
    mounted = owner.run("mount", "--bind", str(manager), "/usr/bin/systemctl")
    if mounted.returncode != 0:
        pytest.skip("needs a systemctl to replace")
    done = owner.run(*client, "gateway", DBUS_SESSION_BUS_ADDRESS="unixexec:path=/bin/false")
    arguments, *environ = (folder / "asked").read_text().splitlines()

    assert arguments == "--user start credward.socket"
    assert {line for line in environ if line.partition("=")[0] not in {"PWD", "LC_CTYPE", "_"}} == {
        f"HOME={owner.home}",
        "USER=root",
        "LOGNAME=root",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR=/run/user/0",
    }
    assert (done.returncode, done.stdout) == (0, "the-owners-token\n")


# --- what set-up records --------------------------------------------------------------------------


def add(account: Account, **environment: str) -> subprocess.CompletedProcess[str]:
    """Add one credential, with unusual places in the environment."""
    return account.cli(
        "add", "mine", "--provider", "command", "--set", "lifetime=600", "--", "/bin/echo", "t",
        **environment,
    )  # fmt: skip


def test_s1_what_the_owner_says_at_set_up_holds_for_all_later_starts(
    account: Account, client: list[str], folder: Path
) -> None:
    """Recorded for this account alone, and used whatever the environment of a caller is then."""
    unusual = {
        "XDG_CONFIG_HOME": str(folder / "c"),
        "XDG_STATE_HOME": str(folder / "s"),
    }
    added = add(account, **unusual)
    account.stop_daemon()
    plain = account.run(*client, "mine")
    account.stop_daemon()
    attacked = account.run(*client, "mine", XDG_CONFIG_HOME=str(folder / "repo"), HOME="/repo")

    assert added.returncode == 0, added.stderr
    assert "note: a daemon that is started automatically uses XDG_CONFIG_HOME=" in added.stderr
    assert account.record.stat().st_mode & 0o777 == 0o600
    assert [line for line in account.record.read_text().splitlines() if line[0] != "#"] == [
        f"{name}={value}" for name, value in unusual.items()
    ]
    assert (plain.stdout, attacked.stdout) == ("t\n", "t\n"), plain.stderr + attacked.stderr
    # It ran there, and nowhere else.
    assert "ready at" in (folder / "s/credward/daemon.log").read_text()
    assert not account.state_dir.exists()


@pytest.mark.slow
def test_s1_a_unit_runs_the_daemon_that_an_automatic_start_would(
    account: Account, folder: Path
) -> None:
    """A service manager has no variable of a shell; which ones of the record it needs: unit/test_account."""
    recorded = {"XDG_CONFIG_HOME": str(folder / "c"), "XDG_STATE_HOME": str(folder / "s")}
    added = add(account, **recorded)
    account.stop_daemon()
    started = account.cli("serve", "--recorded", "--detach")
    found = account.cli("start")
    token = account.cli("get", "mine")

    assert added.returncode == 0, added.stderr
    assert started.returncode == 0, started.stderr
    assert found.returncode == 0, found.stderr
    assert (token.returncode, token.stdout) == (0, "t\n"), token.stderr
    assert len(account.processes("serve", "--recorded")) == 1
    assert not account.state_dir.exists()


@pytest.mark.slow
def test_doctor_says_by_what_an_automatic_start_does_not_go(account: Account, folder: Path) -> None:
    """Before somebody wonders which configuration is in force."""
    added = add(account, XDG_CONFIG_HOME=str(folder / "c"))
    recorded = account.cli("doctor", XDG_CONFIG_HOME=str(folder / "c"))
    account.record.unlink()
    forgotten = account.cli("doctor", XDG_CONFIG_HOME=str(folder / "c"))

    assert added.returncode == 0, added.stderr
    assert "automatic start" not in recorded.stdout
    assert (
        "warn automatic start: does not use XDG_CONFIG_HOME of this shell: "
        "run credward daemon start to record it\n"
    ) in forgotten.stdout


@pytest.mark.parametrize(
    "named", ["/run/user/0/credward/credward.sock", *slow("")], ids=["named", "found"]
)
def test_s1_a_user_without_a_home_is_served_by_a_daemon_that_runs(
    account: Account, named: str
) -> None:
    """As in a pod: nothing is to be started, so nobody has to know whose it would be."""
    added = add(account)
    (account.folder / "passwd").write_text("root:x:0:0:::/bin/sh\n")
    checked = account.cli("doctor", CREDWARD_SOCKET=named)
    again = account.cli(
        *("add", "other", "--provider", "command", "--set", "lifetime=600", "--", "/bin/echo", "o"),
        CREDWARD_SOCKET=named,
    )
    why = "the passwd database has no home for uid 0, so no daemon is started"

    assert added.returncode == 0, added.stderr
    assert "ok   daemon: pid" in checked.stdout, checked.stdout
    assert (f"warn automatic start: {why}\n" in checked.stdout) is (not named)
    assert again.returncode == 0, again.stderr
    assert again.stderr == ("" if named else f"warning: no directories recorded: {why}\n")


@pytest.mark.parametrize(
    "whose",
    [{"CLAUDECODE": "1"}, {"CREDWARD_SESSION": "s1"}, {"HOME": "{folder}/repo"}],
    ids=["an agent", "a session", "another home"],
)
def test_s1_only_the_owners_word_is_recorded(
    account: Account, folder: Path, whose: dict[str, str]
) -> None:
    """A repository may have set what an agent, or a sandbox, has in its environment."""
    said = {name: value.format(folder=folder) for name, value in whose.items()}
    added = add(account, XDG_CONFIG_HOME=str(folder / "c"), **said)

    assert "started automatically uses XDG" not in added.stderr
    assert not account.record.exists()


@pytest.mark.slow
def test_the_last_set_up_decides(account: Account, folder: Path) -> None:
    """One without unusual places takes back what an earlier one recorded."""
    add(account, XDG_CONFIG_HOME=str(folder / "c"))
    assert account.record.exists()
    added = add(account)

    assert not account.record.exists()
    assert "uses the usual directories" in added.stderr


@pytest.mark.parametrize(
    ("line", "mode", "fault"),
    [
        ("DBUS_SESSION_BUS_ADDRESS=unixexec:path=/bin/true", 0o600, "is not a unix: address"),
        ("XDG_CONFIG_HOME=repo", 0o600, "is not an absolute path"),
        ("LD_PRELOAD=/repo/evil.so", 0o600, "LD_PRELOAD is not one of"),
        ("XDG_CONFIG_HOME=/c", 0o666, "can be written by others"),
    ],
)
def test_s1_a_record_that_is_no_such_thing_starts_nothing(
    owner: Account, client: list[str], line: str, mode: int, fault: str
) -> None:
    """Also when it was recorded, a bus address that runs a program is not used."""
    owner.record.write_text(f"{line}\n")
    owner.record.chmod(mode)
    done = owner.run(*client, "gateway")

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f'credward: "{owner.record}" ')
    assert fault in done.stderr
    assert owner.daemons() == []
