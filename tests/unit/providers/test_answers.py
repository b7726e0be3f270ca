"""The shapes in which programs print tokens."""

from __future__ import annotations

import json
import traceback

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.answers import read_answer
from credward.settings.command import Settings
from fakes.io import NOW

SETTINGS = Settings(command=("mint",))
HOUR = Settings(command=("mint",), lifetime=3600)


def read(output, settings=SETTINGS):
    """Return what *output* (an object is written as JSON) means."""
    if not isinstance(output, bytes):
        output = json.dumps(output).encode()
    return read_answer(output, "gateway", settings, NOW)


def make_jwt(**claims):
    """Return a JWT signed with a key that nobody checks."""
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    "answer",
    [
        {"version": 1, "token": "t", "expires_at": NOW + 600},
        {"version": 1, "token": "t", "expires_at": int(NOW + 600)},
        {"version": 1, "token": "t", "expires_at": str(int(NOW + 600))},
        {"version": 1, "token": "t", "expires_at": "2027-01-15T08:10:00Z"},
        {"version": 1, "token": "t", "expires_at": "2027-01-15T09:10:00.000+01:00"},
        {"token": "t", "expires_in": 600},
        {"access_token": "t", "expires_in": 600, "token_type": "Bearer"},
        {"access_token": "t", "expires_in": "600"},
        {"accessToken": "t", "expires_on": NOW + 600, "expiresOn": "1999-01-01 00:00:00.000000"},
        {"credential": {"access_token": "t", "token_expiry": "2027-01-15T08:10:00Z"}},
        {
            "kind": "ExecCredential",
            "status": {"token": "t", "expirationTimestamp": "2027-01-15T08:10:00Z"},
        },
    ],
)
def test_objects_with_a_token_and_an_end(answer):
    """Ours and nono's, OAuth's, az's, gcloud's and kubectl's."""
    token = read(answer)

    assert token.secret.reveal() == "t"
    assert (token.kind, token.issued_at, token.expires_at) == ("bearer", NOW, NOW + 600)


@pytest.mark.parametrize(
    "output", [b"the-token", b"the-token\n", b"  the-token\r\n", b'"the-token"\n']
)
def test_a_bare_token_lives_as_long_as_configured(output):
    """Codex's shape, and a JSON string as `az --query accessToken` prints it."""
    token = read(output, HOUR)

    assert token.secret.reveal() == "the-token"
    assert token.expires_at == NOW + 3600


def test_a_bare_jwt_says_itself_when_it_ends():
    """And how upstream logs call it."""
    text = make_jwt(exp=int(NOW) + 90, jti="name-of-it")

    token = read(text.encode())

    assert token.secret.reveal() == text
    assert (token.expires_at, token.upstream_id) == (NOW + 90, "name-of-it")


def test_entra_calls_its_tokens_by_uti():
    """Rather than by jti."""
    text = make_jwt(exp=int(NOW) + 90, jti="j", uti="u")

    assert read(text.encode()).upstream_id == "u"


def test_aws_keys_by_credential_process():
    """Kept as JSON of the three keys; the access key id is how upstream logs call them."""
    token = read(
        {
            "Version": 1,
            "AccessKeyId": "ASIAX",
            "SecretAccessKey": "s/e+c",
            "SessionToken": 'q"t\\',
            "Expiration": "2027-01-15T08:10:00Z",
        }
    )

    assert json.loads(token.secret.reveal()) == {
        "AccessKeyId": "ASIAX",
        "SecretAccessKey": "s/e+c",
        "SessionToken": 'q"t\\',
    }
    assert (token.kind, token.expires_at, token.upstream_id) == ("aws", NOW + 600, "ASIAX")


def test_long_lived_aws_keys_need_a_lifetime():
    """They name no end, and have no session token."""
    answer = {"Version": 1, "AccessKeyId": "AKIAX", "SecretAccessKey": "s", "SessionToken": None}

    assert json.loads(read(answer, HOUR).secret.reveal()).keys() == {
        "AccessKeyId",
        "SecretAccessKey",
    }
    with pytest.raises(BrokerError, match="set lifetime"):
        read(answer)


@pytest.mark.parametrize(
    ("kind", "text"), [("api-key", "sk-1"), ("basic", "me:pass word"), ("bearer", "t")]
)
def test_the_configured_kind_is_kept(kind, text):
    """A password may hold blanks."""
    settings = Settings(command=("mint",), lifetime=60, kind=kind)

    assert read(text.encode(), settings).kind == kind


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (b"", "printed nothing"),
        (b" \n\t\n", "printed nothing"),
        (b'{"version": 1, "token": "t"', "broken JSON"),
        (b'"half', "broken JSON"),
        (b'{"token": "\xff"}', "broken JSON"),
        (b"[" * 10 + b"]" * 10, "an array"),
        (b'["token"]', "an array"),
        (b'{"a":' * 50_000, "broken JSON"),
        (b"<html><body>Sign in</body></html>", "a web page"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"please log in first", "text instead of a token"),
        (b"one\ntwo", "one line of ASCII"),
        ("tökén".encode(), "one line of ASCII"),
        (b"a\0b", "one line of ASCII"),
        (b"\xff\xfe", "one line of ASCII"),
        (b"x" * 16_385, "16385 characters"),
        ({}, "no token"),
        ({"token": ""}, "no token"),
        ({"token": None, "expires_in": 5}, "no token"),
        ({"token": 17, "expires_in": 5}, "no token"),
        ({"token": ["t"], "expires_in": 5}, "no token"),
        ({"error": "invalid_grant", "error_description": "x"}, "no token"),
        ({"version": 2, "token": "t"}, "a version of the format other than 1"),
        ({"version": True, "token": "t"}, "a version of the format other than 1"),
        ({"version": "1", "token": "t"}, "a version of the format other than 1"),
        ({"Version": 1, "AccessKeyId": "A"}, "incomplete AWS keys"),
        ({"Version": 1, "AccessKeyId": None, "SecretAccessKey": "s"}, "incomplete AWS keys"),
        ({"Version": 1, "AccessKeyId": "", "SecretAccessKey": "s"}, "incomplete AWS keys"),
        ({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "é"}, "incomplete AWS keys"),
        ({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": 5}, "incomplete AWS keys"),
        ({"token": "a\nb", "expires_in": 5}, "one line of ASCII"),
    ],
)
def test_t6_whatever_else_is_printed_is_refused(output, complaint):
    """Never taken for a token (T7); the message names the program to run by hand."""
    with pytest.raises(BrokerError, match=complaint) as caught:
        read(output, HOUR)

    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert caught.value.message.endswith("run mint by hand")


@pytest.mark.parametrize(
    ("settings", "output", "complaint"),
    [
        (Settings(command=("m",), kind="aws", lifetime=5), b"text", "no AWS keys"),
        (Settings(command=("m",), kind="basic", lifetime=5), b"text", "no user:password"),
        (
            Settings(command=("m",), kind="bearer", lifetime=5),
            {"AccessKeyId": "A", "SecretAccessKey": "s"},
            "AWS keys, though kind is bearer",
        ),
    ],
)
def test_another_kind_than_configured_is_refused(settings, output, complaint):
    """A mistake that would show far away otherwise."""
    with pytest.raises(BrokerError, match=complaint):
        read(output, settings)


@pytest.mark.parametrize(
    "template",
    [
        '{{"token": "{0}"',
        '{{"token": "{0}", "expires_at": "{0}"}}',
        '{{"token": "{0}", "expires_in": -1}}',
        '{{"{0}": 1}}',
        '{{"version": "{0}", "token": "t"}}',
        '{{"AccessKeyId": "{0}"}}',
        "{0} {0}",
        "{0}\n{0}",
        "<{0}>",
        '"{0}',
        "{0}",
    ],
)
def test_h3_nothing_that_was_printed_gets_into_a_message(template):
    """Nor into the causes that a traceback shows."""
    with pytest.raises(BrokerError) as caught:
        read(template.format(canary("output")).encode())

    shown = "".join(traceback.format_exception(caught.value)) + caught.value.failure.hint
    assert MARK not in shown.replace(template, "")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_t6_any_bytes_give_a_token_or_a_broker_error(output):
    """No other exception, and no token that is empty, over or unprintable."""
    try:
        token = read_answer(output, "gateway", HOUR, NOW)
    except BrokerError:
        return

    text = token.secret.reveal()
    assert text
    assert text.isascii()
    assert text.isprintable()
    assert token.expires_at is not None
    assert token.expires_at > NOW


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    "version Version token access_token accessToken expires_at expires_in expires_on expiresOn "
    "AccessKeyId SecretAccessKey SessionToken Expiration credential status token_expiry".split()
)


@given(st.dictionaries(FIELDS, JSON | st.just("t") | st.just(1), max_size=6))
def test_t6_any_object_gives_a_token_or_a_broker_error(answer):
    """Whatever stands where a token or a time was expected."""
    try:
        token = read_answer(json.dumps(answer).encode(), "gateway", HOUR, NOW)
    except BrokerError:
        return

    assert token.secret.reveal()
    assert token.expires_at is not None
    assert NOW < token.expires_at <= NOW + 315_360_000
