#!python
# A harness waits for us, and pathlib and contextlib cost time to import:
# ruff: noqa: PTH109, PTH110, PTH114, PTH116, PTH118, PTH120, PTH123
"""credward-helper in Python, installed where there was no C compiler: does the same as helpers/*.c.

The numbered requirements stand in main.c. Two are left to C: memory is not kept from dumps here,
and Python may hold copies of a token until it exits.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import stat
import sys
import time

VERSION = "dev"

# The closed table of error kinds; exit_codes.h and broker/credward/errors.py hold the same.
KINDS = {
    "bad-request": (400, 64),
    "login-required": (401, 67),
    "denied": (403, 77),
    "unknown-credential": (404, 78),
    "provider-refused": (502, 76),
    "provider-unreachable": (503, 75),
    "store-locked": (503, 75),
    "rate-limited": (429, 75),
    "timed-out": (504, 75),
    "approval-required": (403, 66),
    "fix-configuration": (500, 78),
    "recursion": (508, 78),
    "not-running": (0, 69),
    "already-running": (0, 73),
    "internal": (500, 70),
}

LINE_LIMIT = 500
TOKEN_LIMIT = 16384
ANSWER_LIMIT = 96 * 1024
SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
SOCKET_NAME = "credward.sock"
COMMAND = "run credward serve --detach"
REINSTALL = "run credward version and reinstall if helper and daemon differ"

USAGE = """\
usage: credward-helper [OPTION...] [NAME]
Print a short-lived credential of the credward daemon; without NAME the default one.

  --format FORMAT     shape of the answer: token (default), json, headers, env, ...
  --min-remaining S   ask for a token that is valid for S more seconds
  --timeout S         give up after S seconds (default 4)
  --no-start          do not start the daemon when it is not running
  --check ready       exit 0 when the daemon is ready, 1 when it is not
  --base-url URL      where the token will be sent, instead of what the environment says
  --folder            print only what the daemon is told of .claude/settings.json here
  --help, --version   print this, print the version
"""


class Failure(Exception):  # noqa: N818 - the same word as in C
    """Why there is no token: an exit code, a line and a hint for a terminal."""

    def __init__(self, code: int, line: str, hint: str = "") -> None:
        super().__init__(line)
        self.code = code
        self.line = line
        self.hint = hint


def fail(kind: str, line: str) -> Failure:
    """Return the failure of this *kind*."""
    return Failure(KINDS[kind][1], line)


# ---- words for people ----


def harmless(character: str) -> bool:
    """Whether *character* only shows: neither a control nor a change of direction."""
    point = ord(character)
    return not (
        point < 0x20
        or 0x7F <= point < 0xA0
        or point in {0x200E, 0x200F}
        or 0x2028 <= point <= 0x202E
        or 0x2066 <= point <= 0x2069
    )


def clean(text: str) -> bytes:
    """Return what is harmless of *text*, cut between two characters at the limit of a line."""
    kept = "".join(filter(harmless, text)).encode("utf-8", "ignore")
    return kept[:LINE_LIMIT].decode("utf-8", "ignore").encode()


def report(failure: Failure, end: float) -> int:
    """Say *failure* in one line, the hint only on a terminal, and return its exit code."""
    words = clean(f"credward: {failure.line}") + b"\n"
    if failure.hint and os.isatty(2):
        words += b"hint: " + clean(failure.hint) + b"\n"

    def leave(*_: object) -> None:
        os._exit(failure.code)

    # Whenever it comes, even behind the last line here, the exit code is the failure's. Where there
    # is room it is not needed, unless another writer is quicker: so there is time for the line.
    alarm_at(max(end, monotonic_ms() + 1000), leave)
    try:
        if wait_for(2, select.POLLOUT, end):
            os.write(2, words)
    except OSError:
        pass  # there is nobody to tell
    signal.setitimer(signal.ITIMER_REAL, 0)
    return failure.code


def exit_code_of(kind: str, status: int) -> int:
    """Return the exit code of *kind*; an unknown one (a newer daemon) is judged by the *status*."""
    if kind in KINDS:
        return KINDS[kind][1]
    return next((code for known, code in KINDS.values() if known == status), KINDS["internal"][1])


# ---- the command line ----


class Options:
    """What the command line asks for."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.values = {"--format": "token"}
        self.no_start = False
        self.folder = False
        self.text = ""

    @property
    def format(self) -> str:
        """The shape of the answer."""
        return self.values["--format"]


def misused(line: str) -> Failure:
    """Return the failure of a command that is not understood."""
    return fail("bad-request", f"{line}: run credward-helper --help")


def read_arguments(arguments: list[str]) -> Options:
    """Read the command line; its values are judged later."""
    options = Options()
    rest = iter(arguments)
    options_end = False
    for argument in rest:
        if not options_end and argument == "--":
            options_end = True
        elif not options_end and argument.startswith("-") and argument != "-":
            read_option(options, argument, rest)
        elif options.name is not None:
            raise misused(f'unexpected argument "{argument}"')
        else:
            options.name = argument
    return options


def read_option(options: Options, argument: str, rest: object) -> None:
    """Take in one option; its value may be the next argument in *rest*."""
    name, equals, value = argument.partition("=")
    if argument == "--no-start":
        options.no_start = True
    elif argument == "--folder":
        options.folder = True
    elif argument == "--help":
        options.text = USAGE
    elif argument == "--version":
        options.text = f"credward-helper {VERSION} (Python)\n"
    elif name not in {"--format", "--min-remaining", "--timeout", "--check", "--base-url"}:
        raise misused(f'unknown option "{argument}"')
    elif equals:
        options.values[name] = value
    else:
        following = next(rest, None)  # type: ignore[call-overload]
        if following is None:
            raise misused(f'option "{argument}" needs a value')
        options.values[name] = following


def only_of(word: str, more: str, limit: int) -> bool:
    """Whether *word* is not empty, not too long, and of a-z, 0-9 and *more* only."""
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789" + more
    return 0 < len(word) <= limit and all(character in allowed for character in word)


def is_digits(word: str, limit: int) -> bool:
    """Whether *word* is a plain number."""
    return 0 < len(word) <= limit and all("0" <= character <= "9" for character in word)


def read_seconds(word: str) -> int:
    """Return a number such as 4 or 2.5 in milliseconds, -1 for anything else."""
    whole, point, fraction = word.partition(".")
    if len(word) > 12 or not is_digits(whole, 12) or (point and not is_digits(fraction, 3)):
        return -1
    return int(whole) * 1000 + int(fraction.ljust(3, "0"))


def check_options(options: Options) -> None:
    """Judge the values that were read."""
    name = options.name or ""
    if name != "-" and (
        not only_of(name.lower(), "._-", 64) or not name.isascii() or name[0] in "._-"
    ):
        raise misused(f'"{name}" is not the name of a credential')
    if not only_of(options.format, "-", 32):
        raise misused(f'"{options.format}" is not the name of a format')
    least = options.values.get("--min-remaining")
    if least is not None and read_seconds(least) < 0:
        raise misused(f'--min-remaining takes seconds, not "{least}"')
    timeout = options.values.get("--timeout", "4")
    if not 0 < read_seconds(timeout) <= 600_000:
        raise misused(f'--timeout takes seconds up to 600, not "{timeout}"')
    if options.folder and "--check" in options.values:
        raise misused('"--folder" and --check are two questions')
    check = options.values.get("--check", "ready")
    if check != "ready":
        raise misused(f'--check knows only "ready", not "{check}"')
    if variable("CREDWARD_WORKER"):
        raise fail(
            "recursion",
            "a worker of the daemon asked the daemon: give the credential being minted a source "
            "that does not run credward",
        )


# ---- what the environment claims ----

# As in claims.c: told with their values, and told to be set.
DECIDING = (
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_USE_BEDROCK",
    "ANTHROPIC_BEDROCK_BASE_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "CLAUDE_CODE_USE_VERTEX",
    "ANTHROPIC_VERTEX_BASE_URL",
    "CLOUD_ML_REGION",
    "CLAUDE_CODE_USE_FOUNDRY",
    "ANTHROPIC_FOUNDRY_BASE_URL",
    "ANTHROPIC_FOUNDRY_RESOURCE",
    "CLAUDE_CODE_USE_MANTLE",
    "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "ANTHROPIC_AWS_BASE_URL",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
    "CLAUDE_CODE_USE_GATEWAY",
    "NODE_TLS_REJECT_UNAUTHORIZED",
)
BETWEEN = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NODE_EXTRA_CA_CERTS",
)


def variable(name: str) -> str:
    """Return the value of an environment variable, empty when unset."""
    return os.environ.get(name, "") if name else ""


def encode(text: str) -> str:
    """Percent-encode all but the unreserved characters (RFC 3986)."""
    unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(
        chr(byte) if byte in unreserved else f"%{byte:02X}" for byte in os.fsencode(text)
    )


def seconds(milliseconds: int) -> str:
    """Write milliseconds as seconds: 1500 -> "1.5", 4000 -> "4"."""
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}".rstrip("0").rstrip(".")


def mcp_server() -> str:
    """Return a digest (FNV-1a) of the MCP server that headers are for, "" where there is none."""
    name, url = variable("CLAUDE_CODE_MCP_SERVER_NAME"), variable("CLAUDE_CODE_MCP_SERVER_URL")
    if not (name and url):
        return ""
    total = 14695981039346656037
    for byte in os.fsencode(f"{name}\n{url}"):
        total = (total ^ byte) * 1099511628211 % 2**64
    return f"{total:016x}"


def claims(base_url: str | None, format_name: str) -> str:
    """Return the query parts that the environment claims; why they can only deny: claims.c."""
    with_value = (*DECIDING, "CLAUDE_CODE_API_KEY_HELPER_TTL_MS")
    items = [f"{name}={encode(encode(variable(name)))}" for name in with_value if variable(name)]
    items += [name for name in (*BETWEEN, "CLAUDECODE") if variable(name)]
    query = (f"&client_base_url={encode(base_url)}" if base_url else "") + "&variables="
    query += ",".join(items)
    if format_name == "headers" and (server := mcp_server()):
        query += f"&mcp_server={server}"
    if len(query) > 14 * 1024:
        raise fail(
            "bad-request",
            "the base URL, or a variable that decides it, is too long: set a shorter one",
        )
    return query


def target_of(options: Options, left: float) -> str:
    """Return the request target with the time left: the daemon answers before it is over."""
    if "--check" in options.values:
        return "/v1/ready"
    tenths = max(1, int((left * 1000 + 50) // 100))
    target = f"/v1/credentials/{encode(options.name or '-')}/{options.format}"
    target += f"?timeout={seconds(tenths * 100)}"
    target += claims(options.values.get("--base-url"), options.format)
    least = options.values.get("--min-remaining")
    return target if least is None else f"{target}&min_remaining={seconds(read_seconds(least))}"


# ---- the settings around the working directory; why, and what of them: folder.c ----

FOLDER_LIMIT = 60 * 1024
FOLDER_MEDIA_TYPE = "application/vnd.credward.folder"
LEVELS = 32


class TooLarge(Exception):  # noqa: N818 - the word of the frame
    """The record of this name does not fit."""


def read_file(path: str, most: int) -> bytes:
    """Return the first *most* bytes of a regular file; raise `OSError` for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError
        content = b""
        while part := os.read(descriptor, most - len(content)):
            content += part
        return content
    finally:
        os.close(descriptor)


# White space of JavaScript beyond ASCII, and controls; why: worktree.c.
ODD = {chr(each) for each in (*range(0x20), *range(0x7F, 0xA1), *range(0x2000, 0x200B))}
ODD.update("\u1680\u2028\u2029\u202f\u205f\u3000\ufeff")


def path_in(name: str, mark: str) -> str | None:
    """Return the path that is all of a small file, None where there is none; raise `ValueError`."""
    try:
        content = read_file(name, 4097)
    except OSError as error:
        # What nobody may read is none to the agent either.
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
            return None
        raise ValueError from error
    path = content.rstrip(b" \t\r\n").decode()
    if len(content) > 4096 or not path.startswith(mark):
        raise ValueError
    path = path[len(mark) :].lstrip(" ")
    names = [name for name in path.split("/") if name]
    # `..` comes first only.
    while names and names[0] == ".." and path[0] != "/":
        del names[0]
    if not path or not ODD.isdisjoint(path) or ".." in names:
        raise ValueError
    return path


def lexical(base: str, path: str) -> str:
    """Return where *path* leads from *base* by the words alone."""
    return "/" + os.path.normpath(os.path.join(base or "/", path)).lstrip("/")


def main_trees(folder: str) -> list[str]:
    """Return the main working tree of a linked one; raise `ValueError` where git wrote no such."""
    word = path_in(f"{folder}/.git", "gitdir:")
    if word is None:
        raise ValueError
    gitdir = lexical(folder, word)
    common = path_in(f"{gitdir}/commondir", "")
    if common is None:
        return []
    try:
        followed = os.path.realpath(os.path.join(gitdir, common), strict=True)
    except OSError as error:
        raise ValueError from error
    found = (lexical(gitdir, common), lexical("", followed))
    return list(dict.fromkeys(each.rstrip("/").removesuffix("/.git") for each in found))


def kind_of_git(folder: str) -> int | None:
    """Return the kind of `.git`, 0 for nothing and where nobody may look, None if not known."""
    try:
        return stat.S_IFMT(os.stat(f"{folder}/.git").st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        return 0 if error.errno == errno.EACCES else None


def ends_the_look(folder: str, kind: int | None) -> bool:
    """Whether `.git` of this *kind* is one to the agent, whatever the words of a link say."""
    return kind in {stat.S_IFREG, stat.S_IFDIR} and not os.path.islink(f"{folder}/.git")


def settings_in(folder: str) -> list[tuple[str, bytes]]:
    """Return the records of the settings in *folder*, each with its name."""
    paths = (f"{folder}/.claude/settings.json", f"{folder}/.claude/settings.local.json")
    return [(path, found) for path in paths if (found := settings_record(path))]


def found_from(folder: str) -> list[tuple[str, bytes]]:
    """Return the records of all that is found from *folder* up, each with its name."""
    found = []
    for _ in range(LEVELS):
        git, kind = f"{folder}/.git", kind_of_git(folder)
        if kind is None:
            found.append((git, record("unreadable", git)))
        found += settings_in(folder)
        if kind == stat.S_IFREG:
            found += settings_of_main(folder)
        if ends_the_look(folder, kind) or not folder:
            return found
        folder = folder.rpartition("/")[0]
    return [*found, (f"{folder}/.git", record("too-large", f"{folder}/.git"))]


def settings_of_main(folder: str) -> list[tuple[str, bytes]]:
    """Return the records of the main working tree of *folder*."""
    try:
        return [each for tree in main_trees(folder) for each in settings_in(tree)]
    except ValueError:
        return [(f"{folder}/.git", record("unreadable", f"{folder}/.git"))]


def record(kind: str, name: str, content: bytes | None = None) -> bytes:
    """Return one record of the body."""
    if content is None:
        return f"{kind} {encode(name)}\n".encode()
    return b"%s %d %s\n%s\n" % (kind.encode(), len(content), encode(name).encode(), content)


def settings_record(path: str) -> bytes:
    """Return the record of a settings file, empty where there is none."""
    try:
        return record("file", path, read_file(path, FOLDER_LIMIT + 1))
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError:
        return record("unreadable", path)


def add(body: bytes, name: str, addition: bytes) -> bytes:
    """Return *body* with a record more; raise `TooLarge` where it does not fit."""
    if len(body) + len(addition) > FOLDER_LIMIT:
        raise TooLarge(name)
    return body + addition


def collect(start: str) -> bytes:
    """Return the records of the variables and of the files, or the word that one is too large."""
    body = b""
    try:
        for path, addition in found_from(start):
            body = add(body, path, addition)
    except TooLarge as error:
        return record("too-large", str(error))
    return body


# ---- a look that cannot hold us; why: look.c ----


def die_at(end: float) -> None:
    """End the process by SIGALRM at *end*; why, and why no handler says anything: deadline.h."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, max(left_of(end), 0.001))


def kind_of(path: str) -> int | None:
    """Return the kind of file, 0 for none, None where that is not known; a link is not followed."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError:
        return None


def finds_nothing(folder: str) -> bool:
    """Whether a look finds nothing, so that no child is needed."""
    for _ in range(LEVELS):
        git = kind_of(f"{folder}/.git")
        if kind_of(f"{folder}/.claude") != 0 or git not in {0, stat.S_IFDIR}:
            return False
        if git == stat.S_IFDIR or not folder:
            return True
        folder = folder.rpartition("/")[0]
    return False


def look_and_tell(start: str, pipe_end: int, end: float) -> None:
    """In the child: keep the pipe alone, and tell what is found, a NUL behind it."""
    try:
        os.dup2(pipe_end, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        die_at(end + 1000)
        told = collect(start) + b"\0"
        while told:
            told = told[os.write(0, told) :]
    finally:
        os._exit(0)


def hear(pipe_end: int, end: float) -> bytes:
    """Return what the child tells; raise `Failure` where that is not whole."""
    told = b""
    while True:
        if not wait_for(pipe_end, select.POLLIN, end):
            raise fail(
                "timed-out",
                "the file system of this folder did not answer in time, so its "
                ".claude/settings.json is not known: run this in another folder",
            )
        piece = os.read(pipe_end, 65536)
        told += piece
        if not piece:
            break
    if told[-1:] != b"\0":
        raise fail("internal", "the look at .claude/settings.json in this folder failed: try again")
    return told[:-1]


def look_by_child(start: str, end: float) -> bytes:
    """Return what is found; nobody waits for the child."""
    try:
        ours, its = os.pipe()
        child = os.fork()
    except OSError as error:
        raise fail(
            "internal",
            "no process can be started to look at .claude/settings.json here: try again",
        ) from error
    if child == 0:
        look_and_tell(start, its, end)
    os.close(its)
    try:
        return hear(ours, end)
    finally:
        os.close(ours)


def look_around(end: float) -> bytes:
    """Return what is handed over, empty where there are no settings files."""
    # The other half of the time is the daemon's.
    end -= 500 * left_of(end)
    die_at(end)
    try:
        start = os.getcwd()
        start = "" if start == "/" else start
        if finds_nothing(start):
            return b""
    except FileNotFoundError:
        return b""
    except OSError:
        return record("unreadable", ".")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return look_by_child(start, end)


# ---- where the daemon listens ----

OWN, SYSTEM, NAMED = range(3)


def home_path(name: str, fallback: str, path: str) -> str:
    """Return *path* below $name, or ~/fallback when that is not absolute; empty without a home."""
    base = variable(name)
    if not base.startswith("/"):
        home = variable("HOME")
        base = home + fallback if home.startswith("/") and fallback else ""
    return base + path if base else ""


def find_places() -> list[tuple[int, str]]:
    """Return the search order of this environment; too long paths are left out, as in places.c."""
    named = variable("CREDWARD_SOCKET")
    if named:
        if not named.startswith("/"):
            raise fail(
                "fix-configuration",
                f'CREDWARD_SOCKET "{named}" is not an absolute path: '
                "set it to one that begins with /",
            )
        if len(os.fsencode(named)) > SOCKET_PATH_LIMIT:
            raise fail(
                "fix-configuration",
                "the path in CREDWARD_SOCKET is longer than a socket path may be: "
                "set it to a shorter one",
            )
        return [(NAMED, named)]
    own = [home_path("XDG_RUNTIME_DIR", "", f"/credward/{SOCKET_NAME}")]
    if sys.platform == "darwin":
        own.append(home_path("", "/Library/Application Support", f"/credward/run/{SOCKET_NAME}"))
    else:
        login = f"/run/user/{os.geteuid()}"
        own.append(f"{login}/credward/{SOCKET_NAME}" if is_ours_alone(login) else "")
        own.append(home_path("XDG_STATE_HOME", "/.local/state", f"/credward/run/{SOCKET_NAME}"))
    places = [(OWN, path) for path in dict.fromkeys(own) if path]
    places.append((SYSTEM, f"/run/credward/{SOCKET_NAME}"))
    return [place for place in places if len(os.fsencode(place[1])) <= SOCKET_PATH_LIMIT]


def is_ours_alone(directory: str) -> bool:
    """Whether the login manager made this directory for us."""
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    private = found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and private


def ids_are_mapped() -> bool:
    """Whether this user namespace shows other users as the overflow uid."""
    try:
        with open("/proc/self/uid_map", "rb") as file:
            return file.read(64).split()[:3] != [b"0", b"0", b"4294967295"]
    except OSError:
        # A kernel without user namespaces has no such file. Without /proc nobody knows.
        return not os.path.exists("/proc/self")


def overflow_uid() -> int:
    """Return the uid that stands for all users that a namespace does not map."""
    try:
        with open("/proc/sys/kernel/overflowuid", "rb") as file:
            return int(file.read(32))
    except (OSError, ValueError):
        return 65534  # the kernel's DEFAULT_OVERFLOWUID


def is_known(uid: int) -> bool:
    """Whether the uid stands for one user: the overflow uid of a namespace stands for many."""
    return not ids_are_mapped() or uid != overflow_uid()


def is_ours(uid: int) -> bool:
    """Whether the uid is this user or root; where we are the overflow uid, nobody is us."""
    return uid in {os.geteuid(), 0} and is_known(uid)


def refused(path: str, why: str, remedy: str) -> Failure:
    """Return the failure of a place that somebody else could have prepared."""
    return fail("fix-configuration", f'"{path}" {why}, so it is not trusted: {remedy}')


def status_of(path: str, place: str) -> os.stat_result | None:
    """Return what is at *path*, None when nothing is."""
    try:
        return os.lstat(path)
    except PermissionError:
        raise locked_out(place) from None
    except OSError:
        return None


def locked_out(path: str) -> Failure:
    """Return the failure of a place for other users."""
    return fail(
        "denied", f'"{path}" may not be opened by this user: ask for membership of its group'
    )


def owner_is_right(trust: int, owner: int) -> bool:
    """Whether the owner of a directory may serve us."""
    if trust == NAMED or is_ours(owner):
        return True
    if trust != SYSTEM:
        return False
    # Only root makes names in /run: whoever owns a directory there was given it. Where root is not
    # shown, it is whoever made this namespace that put it there.
    run = os.lstat("/run")
    given = stat.S_ISDIR(run.st_mode) and run.st_uid == 0 and not run.st_mode & 0o022
    return given or not is_known(owner)


def place_is_safe(trust: int, path: str) -> bool:
    """Check directory and socket. False: there is none."""
    directory = os.path.dirname(path)
    found = status_of(directory, path)
    if found is None:
        return False
    if not stat.S_ISDIR(found.st_mode):
        raise refused(directory, "is a link or no directory", "run credward doctor")
    if found.st_mode & 0o022:
        raise refused(directory, "can be written by others", "run chmod go-w on it")
    if not owner_is_right(trust, found.st_uid):
        raise refused(directory, "belongs to another user", "run credward doctor")
    found = status_of(path, path)
    if found is not None and not stat.S_ISSOCK(found.st_mode):
        raise refused(path, "is a link or no socket", "run credward doctor")
    return found is not None


def peer_is_right(trust: int, connection: socket.socket) -> bool:
    """Whether the process that listens is ours or root's, by the kernel's word."""
    if trust != OWN or not hasattr(socket, "SO_PEERCRED"):
        return True
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid = int.from_bytes(peer[4:8], sys.byteorder)
    return is_ours(uid)


def connect_to(trust: int, path: str, end: float) -> socket.socket | None:
    """Connect to one place; None when nobody listens there."""
    if not place_is_safe(trust, path):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    while True:
        try:
            connection.connect(path)
        except BlockingIOError:
            # A full backlog is a busy daemon, not an absent one.
            if left_of(end) == 0:
                raise fail(
                    "timed-out", f'the daemon at "{path}" takes no connection: run credward status'
                ) from None
            time.sleep(0.005)
        except PermissionError:
            raise locked_out(path) from None
        except OSError:
            connection.close()
            return None
        else:
            break
    if not peer_is_right(trust, connection):
        raise refused(path, "is served by another user", "run credward doctor")
    return connection


def connect(places: list[tuple[int, str]], end: float) -> socket.socket | None:
    """Connect to the first place that answers; raises why the first one was refused, if one was."""
    first: Failure | None = None
    for trust, path in places:
        try:
            connection = connect_to(trust, path, end)
        except Failure as failure:
            first = first or failure
        else:
            if connection is not None:
                return connection
    if first is not None:
        raise first
    return None


# ---- auto-start ----

# What `credward start` is given; it uses nothing of it that its account does not vouch for.
KEPT = {
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "LANG",
    "CREDWARD_SESSION",
}


def why_not_started(places: list[tuple[int, str]], *, forbidden: bool) -> Failure | None:
    """Return why this caller wants no daemon started, None when it is left to us."""
    if variable("CREDWARD_SOCKET"):
        line = f'no daemon answers at "{places[0][1]}", which CREDWARD_SOCKET names: start that one'
    elif forbidden or variable("CREDWARD_URL") or variable("CREDWARD_NO_START") not in {"", "0"}:
        line = f"the daemon is not running: {COMMAND}"
    else:
        return None
    return fail("not-running", line)


def spawn_start(program: str) -> tuple[int, int]:
    """Run `program start`, detached; its pid and the end of its output."""
    environment = {name: value for name, value in os.environ.items() if name in KEPT}
    environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    # Harnesses may ignore it, and then nobody would be told how the child ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, output = os.pipe()
    child = os.fork()
    if child:
        os.close(output)
        return child, said
    try:
        detach(output)
        os.execve(program, ["credward", "start"], environment)
    finally:
        os._exit(127)


def detach(pipe_end: int) -> None:
    """In the child: leave everything that belongs to the caller, and print into the pipe."""
    # Above the standard ones, which may have been closed and so be the pipe's own.
    output = fcntl.fcntl(pipe_end, fcntl.F_DUPFD, 3)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir("/")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def run_start(program: str, end: float) -> tuple[int, str]:
    """Return exit code and output of `credward start`."""
    child, said = spawn_start(program)
    output = b""
    try:
        while wait_for(said, select.POLLIN, end):
            piece = os.read(said, 4096)
            output += piece
            if not piece:
                break
        while left_of(end):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return (128 - code if code < 0 else code), output.decode("utf-8", "ignore")
            time.sleep(0.001)
    finally:
        os.close(said)
    raise fail(
        "timed-out",
        "the daemon was started but does not answer yet: try again, or run credward status",
    )


def await_another(places: list[tuple[int, str]], lock: int, end: float) -> socket.socket | None:
    """Look for the daemon while another helper has it started; why, and how long: start.c."""
    patience = end - 750 * left_of(end)
    kind = fcntl.LOCK_EX
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
            waits = False
        except OSError as error:
            waits = error.errno == errno.EWOULDBLOCK
        if kind == fcntl.LOCK_SH and (connection := connect_if_any(places, end)) is not None:
            return connection
        if not waits or left_of(patience) == 0:
            return None
        kind = fcntl.LOCK_SH
        time.sleep(0.02)


def connect_if_any(places: list[tuple[int, str]], end: float) -> socket.socket | None:
    """Connect as usual, but a machine's daemon that is not for this user is none."""
    try:
        return connect(places, end)
    except Failure as refusal:
        if refusal.code != KINDS["denied"][1]:
            raise
    return None


def start_and_connect(places: list[tuple[int, str]], end: float) -> socket.socket:
    """Return a connection to the daemon that another helper starts, or that is started now."""
    program = f"{os.path.dirname(os.path.realpath(__file__))}/credward"
    if not os.access(program, os.X_OK | os.R_OK):
        raise fail(
            "not-running",
            f"the daemon is not running and is not installed beside this helper: {COMMAND}",
        )
    lock = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return await_another(places, lock, end) or start(program, end)
    finally:
        os.close(lock)


def start(program: str, end: float) -> socket.socket:
    """Have the daemon started, or found, and connect to it; trusted no more than any other."""
    code, said = run_start(program, end)
    line = said.partition("\n")[0]
    if code and line.startswith("credward: "):
        raise Failure(code, line.removeprefix("credward: "))
    if code:
        raise fail(
            "not-running",
            f"the daemon does not start (exit {code}): run credward start to see why",
        )
    fits = line.startswith("/") and len(os.fsencode(line)) <= SOCKET_PATH_LIMIT
    connection = connect([(OWN, line)], end) if fits else None
    if connection is None:
        raise fail("not-running", "the daemon was started but does not answer: run credward status")
    return connection


def connect_or_start(options: Options, end: float) -> socket.socket:
    """Return a connection to the daemon."""
    places = find_places()
    failure: Failure | None = None
    try:
        connection = connect(places, end)
    except Failure as refusal:
        # A machine's daemon that is not for this user is no reason against one of the user's own.
        if refusal.code != KINDS["denied"][1]:
            raise
        connection, failure = None, refusal
    if connection is not None:
        return connection
    why_not = why_not_started(places, forbidden=options.no_start or "--check" in options.values)
    if why_not is not None:
        raise failure or why_not
    return start_and_connect(places, end)


# ---- one question and its answer ----


def monotonic_ms() -> int:
    """Return milliseconds of the clock that no one sets."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000


def left_of(end: float) -> float:
    """Return the seconds until *end*, never negative."""
    return max(0.0, (end - monotonic_ms()) / 1000)


def wait_for(descriptor: int, event: int, end: float) -> bool:
    """Wait until *descriptor* is ready; False when *end* came first."""
    watched = select.poll()
    watched.register(descriptor, event)
    return bool(watched.poll(left_of(end) * 1000))


def garbled(what: str) -> Failure:
    """Return the failure of an answer that our daemon would not write."""
    return fail("internal", f"the daemon's answer is not understood, {what}: {REINSTALL}")


class Answer:
    """An answer as far as it has arrived."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.status = 0
        self.plain = False
        self.kind = ""
        self.judged = False
        self.variables_judged = False
        self.content_length: int | None = None
        self.chunked = False
        self.body_at = 0

    @property
    def measured(self) -> bool:
        """Whether the body's length was announced, so that a cut one was noticed."""
        return self.content_length is not None

    @property
    def body(self) -> bytearray:
        """The body, as far as it was announced."""
        end = None if self.content_length is None else self.body_at + self.content_length
        return self.bytes[self.body_at : end]

    def is_whole(self) -> bool:
        """Whether all that was announced has arrived."""
        if not self.body_at or self.content_length is None:
            return False
        return len(self.bytes) - self.body_at >= self.content_length

    def look_for_head(self) -> None:
        """Read the head when its end has arrived."""
        at = self.bytes.find(b"\r\n\r\n")
        if at < 0:
            return
        head = bytes(self.bytes[: at + 2])
        if b"\0" in head:
            raise garbled("its head holds a NUL")
        for number, line in enumerate(head.split(b"\n")[:-1]):
            if not line.endswith(b"\r") or b"\r" in line[:-1]:
                raise garbled("a line of its head has no proper end")
            if number == 0:
                self.read_status(line[:-1])
            else:
                self.read_header(line[:-1])
        if self.chunked:
            raise garbled("it comes in chunks")
        self.body_at = at + 4

    def read_status(self, line: bytes) -> None:
        """Read the first line."""
        digits = line[9:12]
        if (
            line[:9] not in {b"HTTP/1.1 ", b"HTTP/1.0 "}
            or len(digits) != 3
            or not digits.isdigit()
            or line[12:13] not in {b"", b" "}
        ):
            raise garbled("it is no HTTP/1.1")
        self.status = int(digits)
        if self.status < 200:
            raise garbled("an interim status")

    def read_header(self, line: bytes) -> None:
        """Read a header line; an unknown one is skipped: the daemon may be newer."""
        name, colon, value = line.partition(b":")
        if not name or not colon or b" " in name or b"\t" in name:
            raise garbled("a header line without a name")
        text = value.strip(b" \t").decode("latin-1")
        match name.lower():
            case b"content-length":
                if self.measured or not is_digits(text, 9):
                    raise garbled("its length is no number")
                self.content_length = int(text)
            case b"transfer-encoding":
                self.chunked = True
            case b"credward-kind":
                self.kind = text
            case b"credward-folder":
                self.judged = True
            case b"credward-variables":
                self.variables_judged = True
            case b"content-type":
                self.plain = text.lower().startswith("text/plain")


def send_question(connection: socket.socket, target: str, body: bytes, end: float) -> None:
    """Ask. A daemon that refuses may close before it has read all: its answer is read anyway."""
    described = f"Content-Type: {FOLDER_MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
    left = (
        f"{'POST' if body else 'GET'} {target} HTTP/1.1\r\nHost: credward\r\n"
        f"Accept: text/plain\r\nUser-Agent: credward-helper/{VERSION}\r\n"
        f"Connection: close\r\n{described if body else ''}\r\n"
    ).encode() + body
    while left:
        try:
            left = left[connection.send(left) :]
        except BlockingIOError:
            if not wait_for(connection.fileno(), select.POLLOUT, end):
                return
        except OSError:
            return


def receive(connection: socket.socket, answer: Answer, end: float) -> None:
    """Receive until the body is whole or the stream ends."""
    while not answer.is_whole():
        if not wait_for(connection.fileno(), select.POLLIN, end):
            raise fail("timed-out", "the daemon did not answer in time: run credward status")
        try:
            piece = connection.recv(ANSWER_LIMIT - len(answer.bytes))
        except BlockingIOError:
            continue
        except OSError:
            piece = b""
        if not piece:
            check_end(answer)
            return
        answer.bytes += piece
        if not answer.body_at:
            answer.look_for_head()
        if len(answer.bytes) == ANSWER_LIMIT and not answer.is_whole():
            raise garbled("it is too long")


def check_end(answer: Answer) -> None:
    """Judge the end of the stream: right only behind a body whose length was not announced."""
    if not answer.bytes:
        raise fail(
            "not-running", "the daemon closed the connection without an answer: run credward status"
        )
    if not answer.body_at or answer.measured:
        raise fail("internal", "the daemon's answer was cut off: run credward status")


def is_token(answer: Answer) -> bool:
    """Whether the body is one token, with the newline that shows it to be whole."""
    body = answer.body
    if body.endswith(b"\n"):
        body.pop()
    elif not answer.measured:
        return False
    return 0 < len(body) <= TOKEN_LIMIT and all(0x21 <= byte <= 0x7E for byte in body)


def unread() -> Failure:
    """Return the failure of output that stays unread."""
    return fail("timed-out", "writing to standard output timed out: check who reads it")


def alarm_at(end: float, handler: object) -> None:
    """Have *handler* called at *end*; a call that blocks goes on unless it raises (PEP 475).

    Of a descriptor that others share we must not change whether it blocks.
    """
    signal.signal(signal.SIGALRM, handler)  # type: ignore[arg-type]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    # Again and again: the first one may come just before the call that is to be interrupted.
    signal.setitimer(signal.ITIMER_REAL, max(left_of(end), 0.001), 0.05)


def print_all(data: bytes | bytearray, end: float) -> None:
    """Write to standard output."""
    left = memoryview(data)

    def interrupt(*_: object) -> None:
        raise unread()

    alarm_at(end, interrupt)
    try:
        while left:
            try:
                left = left[os.write(1, left) :]
            except BlockingIOError:
                if not wait_for(1, select.POLLOUT, end):
                    raise unread() from None
    except OSError:
        raise fail("internal", "standard output cannot be written: check who reads it") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def use_answer(options: Options, answer: Answer, end: float) -> None:
    """Print a credential, or raise why there is none."""
    body = answer.body
    token = options.format == "token"
    if answer.status != 200:
        code = exit_code_of(answer.kind, answer.status)
        if answer.plain and body and not body.startswith(b"\n"):
            message, hint, *_ = [*bytes(body).split(b"\n"), b""]
            raise Failure(code, message.decode("utf-8", "ignore"), hint.decode("utf-8", "ignore"))
        kind = f" with {answer.kind}" if answer.kind else ""
        raise Failure(code, f"the daemon refused{kind}: run credward status")
    if not body or (token and not is_token(answer)):
        shape = "one token of printable ASCII" if token else "a credential"
        raise fail("internal", f"the daemon's answer is not {shape}: {REINSTALL}")
    if token and not body.endswith(b"\n"):
        body += b"\n"
    try:
        print_all(body, end)
    finally:
        body[:] = bytes(len(body))


def ask(options: Options, end: float) -> None:
    """Ask the daemon and print; for --check only ask."""
    answer = Answer()
    body = b"" if "--check" in options.values else look_around(end)
    if options.folder:
        print_all(body + b"\0", end)
        return
    try:
        with connect_or_start(options, end) as connection:
            send_question(connection, target_of(options, left_of(end)), body, end)
            receive(connection, answer, end)
        missed = ""
        if body and not answer.judged:
            missed = "the .claude/settings.json here"
        elif any(map(variable, (*DECIDING, *BETWEEN))) and not answer.variables_judged:
            missed = "the environment"
        if missed and answer.status == 200 and "--check" not in options.values:
            raise fail(
                "fix-configuration",
                f"the daemon is older than this helper and does not look at {missed}: "
                "stop it, then run credward serve --detach",
            )
        if "--check" not in options.values:
            use_answer(options, answer, end)
        elif answer.status != 200:
            raise Failure(1, "the daemon is not ready: run credward status")
    finally:
        answer.bytes[:] = bytes(len(answer.bytes))


def main(arguments: list[str]) -> int:
    """Run and return the exit code."""
    # As in C: a reader that has left ends us without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    options = Options()
    checked = False
    end = monotonic_ms() + 4000
    try:
        options = read_arguments(arguments)
        if options.text:
            print_all(options.text.encode(), end)
            return 0
        options.name = "-" if options.name is None else options.name
        check_options(options)
        checked = "--check" in options.values
        end = monotonic_ms() + read_seconds(options.values.get("--timeout", "4"))
        ask(options, end)
    except Failure as failure:
        # --check answers a question: a daemon that cannot be asked is not ready.
        failure.code = 1 if checked else failure.code
        return report(failure, end)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
