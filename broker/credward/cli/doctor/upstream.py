"""The last link: the service itself, asked once with one token, if the user wants that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credward.cli.doctor.finding import Finding, Known
from credward.cli.doctor.token import doubt_of
from credward.cli.live import LiveResult, live, models_in
from credward.cli.start import reach
from credward.config.remedies import remedy_for
from credward.paths import environment
from credward.policy.client_variables import read_claims, told
from credward.settings.checks import origin_of

__all__ = ["check_upstream"]

# The daemon answers earlier (seconds).
_PATIENCE = 60.0


def check_upstream(known: Known) -> Iterator[Finding]:
    """Report what the service behind the credential answers; one token of output for each model."""
    credential = known.credential
    if not known.live or credential is None or known.given is None:
        return
    variables = known.merged.environment() if known.merged else environment()
    goes_to = read_claims(told(variables)).base_url
    listed = {origin_of(each) for each in credential.base_urls}

    def asked(model: str | None) -> LiveResult:
        return live(
            reach(timeout=_PATIENCE),
            credential.name,
            model=model,
            # With its path: that is where the agent will ask.
            base_url=goes_to if goes_to and origin_of(goes_to) in listed else None,
            workspace=variables.get("ANTHROPIC_AWS_WORKSPACE_ID"),
            can_login=bool(credential.meaning.grant.logins),
            remedy=remedy_for(credential),
        )

    results = [asked(each) for each in _models(known, variables)]
    if not any(each.answered for each in results):
        yield from doubt_of(known)
    for each in results:
        yield Finding(check="upstream", mark=each.mark, text=each.text, kind=each.kind)


def _models(known: Known, variables: Mapping[str, str]) -> list[str | None]:
    """Return what to ask for: what is named, else both models of the agent, None: any."""
    named = [known.model] if known.model else models_in(variables)
    return [*named] or [None]
