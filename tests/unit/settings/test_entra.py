"""What a credential of the provider `entra` may say."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.entra import FOUNDRY_SCOPES, ManagedIdentity, Settings, is_graph
from credward.settings.meaning import meaning_of

HOME = {"tenant": "contoso.com", "client_id": "app"}
SCOPE = "api://litellm/.default"
STORE = {"store": "x"}


def read(**words):
    """Return the settings that *words* of a file make."""
    return msgspec.convert(words, Settings)


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ({**HOME, "scope": SCOPE}, "user"),
        ({**HOME, "scope": SCOPE, "flow": "device", "account": "a@contoso.com"}, "user"),
        ({**HOME, "token": "id"}, "user"),
        ({**HOME, "scope": SCOPE, "client_secret": STORE, "flow": "browser"}, "user"),
        ({**HOME, "scope": SCOPE, "client_secret": STORE}, "application"),
        ({**HOME, "scope": SCOPE, "client_certificate": {"file": "/x.pem"}}, "application"),
        ({**HOME, "scope": SCOPE, "client_assertion": {"credential": "k8s"}}, "application"),
        ({**HOME, "scope": SCOPE, "federated": "github"}, "application"),
        ({**HOME, "scope": "api://x/read", "client_secret": STORE, "on_behalf_of": STORE}, "application"),
        ({"managed_identity": True, "resource": "my-res"}, "managed_identity"),
        ({"managed_identity": True, "client_id": "app", "resource": "my-res"}, "managed_identity"),
        ({"managed_identity": {"object_id": "o"}, "scope": SCOPE}, "managed_identity"),
        ({"source": "az", "resource": "my-res"}, "az"),
        ({"source": "~/bin/az", "resource": "my-res", "tenant": "contoso.com"}, "az"),
    ],
)  # fmt: skip
def test_each_way_is_chosen_by_its_key(words, way):
    """Without any, a user logs in."""
    assert read(**words).way == way


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({**HOME, "scope": SCOPE, "client_secret": STORE, "source": "az"},
         "client_secret and source are several ways"),
        ({**HOME, "scope": SCOPE, "client_secret": STORE, "federated": "github"}, "several ways"),
        ({**HOME, "scope": SCOPE, "client_secret": "hunter2"}, "credward secret set NAME"),
        ({**HOME, "scope": SCOPE, "client_secret": STORE, "flow": "device"},
         "leave client_secret out"),
        ({**HOME, "scope": SCOPE, "client_secret": STORE, "account": "a"},
         "account cannot be used with client_secret"),
        ({**HOME, "scope": "a/b", "client_secret": STORE, "on_behalf_of": STORE, "flow": "browser"},
         "and no flow"),
        ({**HOME, "scope": SCOPE, "on_behalf_of": STORE}, "the application's own proof"),
        ({**HOME}, "scope is missing"),
        ({**HOME, "scope": "openid profile"}, "scope is missing"),
        ({"tenant": "contoso.com", "scope": SCOPE}, "client_id is missing"),
        ({"client_id": "app", "scope": SCOPE}, "tenant is missing"),
        ({**HOME, "tenant": "a/b", "scope": SCOPE}, "tenant is a domain"),
        ({**HOME, "client_id": "a b", "scope": SCOPE}, "client_id is the application's id"),
        ({**HOME, "tenant": "common", "scope": SCOPE, "client_secret": STORE}, "name the tenant"),
        ({**HOME, "scope": "api://x/read", "client_secret": STORE}, "end scope in /.default"),
        ({**HOME, "authority": "http://x/y", "scope": SCOPE}, "authority is an https URL"),
        ({**HOME, "authority": "https://u@x", "scope": SCOPE}, "authority is an https URL"),
        ({**HOME, "authority": "https://x:y", "scope": SCOPE}, "authority is an https URL"),
        ({**HOME, "authority": "https://x/y", "scope": SCOPE}, "leave tenant out"),
        ({**HOME, "authority": "https://x", "cloud": "china", "scope": SCOPE}, "keep one of them"),
        ({**HOME, "scope": SCOPE, "resource": "api://x"}, "keep scope"),
        ({**HOME, "scope": SCOPE, "resource": "my-res"}, "https://cognitiveservices.azure.com"),
        ({**HOME, "resource": "my-res", "cloud": "usgov"}, "not documented: set scope"),
        ({**HOME, "scope": SCOPE, "claims": "[1]"}, "claims must be a JSON object"),
        ({**HOME, "scope": SCOPE, "claims": "{"}, "claims must be a JSON object"),
        ({**HOME, "token": "id", "client_secret": STORE}, "needs a user who logs in"),
        ({"managed_identity": {}, "scope": SCOPE}, "names client_id, object_id or resource_id"),
        ({"managed_identity": {"client_id": "a", "object_id": "b"}, "scope": SCOPE}, "names client"),
        ({"managed_identity": {"object_id": "b"}, "client_id": "a", "scope": SCOPE}, "keep one"),
        ({"managed_identity": True, "tenant": "contoso.com", "scope": SCOPE}, "tenant cannot be used"),
        ({"managed_identity": True, "scope": f"{SCOPE} api://y/.default"}, "one audience"),
        ({"managed_identity": True, "scope": "api://y/read"}, "end scope in /.default"),
        ({"source": "gcloud", "scope": SCOPE}, 'source is "az"'),
        ({"source": "", "scope": SCOPE}, 'source is "az"'),
        ({"source": "az", "client_id": "app", "scope": SCOPE}, "client_id cannot be used with source"),
        ({"source": "az", "cloud": "china", "scope": SCOPE}, "az cloud set"),
        ({"source": "az"}, "scope is missing"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(words, complaint):
    """With what to write, and without repeating a secret."""
    with pytest.raises(msgspec.ValidationError, match=complaint) as caught:
        read(**words)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "url"),
    [
        ({**HOME}, "https://login.microsoftonline.com/contoso.com"),
        ({**HOME, "cloud": "usgov"}, "https://login.microsoftonline.us/contoso.com"),
        ({**HOME, "cloud": "china"}, "https://login.partner.microsoftonline.cn/contoso.com"),
        ({**HOME, "authority": "https://login.example.com/"}, "https://login.example.com/contoso.com"),
        ({"client_id": "app", "authority": "https://x.b2clogin.com/t/B2C_1_s"},
         "https://x.b2clogin.com/t/B2C_1_s"),
        ({"client_id": "app", "authority": "https://x.ciamlogin.com/"}, "https://x.ciamlogin.com"),
    ],
)  # fmt: skip
def test_the_authority_of_each_cloud(words, url):
    """One address, host and tenant."""
    assert read(**words, scope=SCOPE).authority_url == url


@pytest.mark.parametrize(
    ("words", "scopes"),
    [
        ({"resource": "my-res"}, (FOUNDRY_SCOPES[0],)),
        ({"resource": "my-res", "scope": FOUNDRY_SCOPES[1]}, (FOUNDRY_SCOPES[1],)),
        ({"resource": "my-res", "scope": SCOPE, "cloud": "usgov"}, (SCOPE,)),
        ({"resource": "api://x"}, ("api://x/.default",)),
        ({"resource": "https://x/"}, ("https://x//.default",)),
        ({"resource": "11111111-2222-3333-4444-555555555555"},
         ("11111111-2222-3333-4444-555555555555/.default",)),
        ({"scope": "openid api://x/a offline_access  api://x/b"}, ("api://x/a", "api://x/b")),
        ({"token": "id"}, ()),
    ],
)  # fmt: skip
def test_scopes(words, scopes):
    """The name of a Foundry resource means the audience of Foundry."""
    assert read(**HOME, **words).scopes == scopes


@pytest.mark.parametrize(
    ("words", "audiences"),
    [
        ({"resource": "my-res"}, ("https://ai.azure.com", "https://cognitiveservices.azure.com")),
        ({"scope": "api://x/.default"}, ("api://x",)),
        # All of it would be more than is asked for.
        ({"scope": "api://x/read"}, ()),
        ({"token": "id"}, ()),
    ],
)
def test_callers_may_name_what_is_configured(words, audiences):
    """SDKs name their audience; no more comes of it."""
    assert read(**HOME, **words).meaning.audiences == audiences


def test_terms_of_the_grant():
    """A user's may rotate; all else has none."""
    by_page = meaning_of(read(**HOME, scope=SCOPE)).grant
    by_code = meaning_of(read(**HOME, scope=SCOPE, flow="device")).grant

    assert by_page.rotating
    assert (by_page.logins, by_code.logins) == (("browser", "device"), ("device", "browser"))
    proved = meaning_of(read(**HOME, scope=SCOPE, flow="browser", client_secret=STORE)).grant
    assert (proved.rotating, proved.logins) == (True, ("browser",))
    assert {"tenant", "authority", "client_id", "account"} <= set(by_page.identity)
    assert set(by_page.identity) <= set(Settings.__struct_fields__)
    for words in ({"source": "az"}, {"managed_identity": True}, {**HOME, "client_secret": STORE}):
        terms = meaning_of(read(**words, scope=SCOPE)).grant
        assert (terms.rotating, terms.logins) == (False, ())


@pytest.mark.parametrize(
    ("scope", "graph"),
    [
        ("https://graph.microsoft.com/.default", True),
        ("https://graph.microsoft.com//.default", True),
        ("https://graph.microsoft.us/User.Read", True),
        ("https://microsoftgraph.chinacloudapi.cn/.default", True),
        ("00000003-0000-0000-c000-000000000000/.default", True),
        ("User.Read", True),
        ("Mail.Send", True),
        (SCOPE, False),
        ("11111111-2222-3333-4444-555555555555/.default", False),
        ("https://graph.microsoft.com.evil.example/.default", False),
    ],
)
def test_scopes_of_microsoft_graph(scope, graph):
    """By host, by its application's id, or by having no resource at all."""
    assert is_graph(scope) is graph


def test_a_graph_token_for_a_gateway_is_refused():
    """It could not be verified there; the message says which scope to set."""
    gateway = ("https://llm.example.com",)
    for scope in ("User.Read", "https://graph.microsoft.com/.default"):
        with pytest.raises(
            ValueError, match=r"llm.example.com cannot verify: set scope = \"api://"
        ):
            read(**HOME, scope=scope).meaning.refuse_base_urls(gateway)
        read(**HOME, scope=scope).meaning.refuse_base_urls(())
        read(**HOME, scope=scope).meaning.refuse_base_urls(("https://graph.microsoft.com/v1.0",))
        read(**HOME, scope=scope, token="id").meaning.refuse_base_urls(gateway)
    read(**HOME, scope=SCOPE).meaning.refuse_base_urls(gateway)


def test_a_managed_identity_has_one_name():
    """Each of the three is enough."""
    assert ManagedIdentity(resource_id="/subscriptions/x").resource_id
    with pytest.raises(ValueError, match="managed_identity is true"):
        ManagedIdentity()


def test_s15_the_hosts_of_foundry_elsewhere_are_written_down():
    """They are documented for the public cloud alone; without any the token could go anywhere."""
    words = {"tenant": "contoso.us", "client_id": "app", "resource": "my-res", "cloud": "usgov"}
    elsewhere = Settings(**words, scope="https://ai.azure.us/.default")

    assert elsewhere.meaning.base_urls == ()
    with pytest.raises(ValueError, match="set base_url"):
        elsewhere.meaning.refuse_base_urls(())
    elsewhere.meaning.refuse_base_urls(("https://my-res.services.ai.azure.us",))
