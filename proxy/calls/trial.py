"""One attempt on one deployment, from its budget to its place in the flight's record."""

from typing import Any

import orjson

from audit import openings
from audit.vocabulary import LegStatus, Role
from policies.residency import Residency
from proxy.calls.flight import CUT_HEDGE, DEFECT, Flight
from proxy.calls.monitor import Permit
from proxy.core.aggregation.steps import Ask
from proxy.core.budget import Grant, most_output
from proxy.core.enforcement import AdmittedCall
from proxy.core.health import Ended, Fate
from proxy.core.provenance import Attempt
from proxy.core.replies import Usage
from proxy.core.request import InferenceRequest, JsonObject
from proxy.core.routing.cascade import TOKENS_OUT
from proxy.transports.base import UpstreamBroken, UpstreamRequest, UpstreamServerError, bounded
from proxy.wire.completion import Completion
from proxy.wire.event_stream import EventStream
from proxy.wire.openai_chat import LIMITS

CHARACTERS_PER_TOKEN = 4
RESIDENCY_VIOLATED = "residency-violated"
_ITS_FAULT = frozenset(
    {
        "upstream-error",
        "upstream-rate-limited",
        "upstream-timeout",
        "upstream-unreachable",
        "upstream-server-error",
        "upstream-broken-stream",
        "upstream-misconfigured",
    }
)
"""Failures that say that a deployment cannot be relied on now; any other is an answer, if not the wanted one."""
_CLIENT_ONLY = (
    "tools", "tool_choice", "functions", "function_call", "response_format", "parallel_tool_calls", "stop", "logit_bias",
)  # fmt: skip
"""Parameters that concern the client's own answer, and would bend a judge's."""
_REPORTING = frozenset({Role.JUDGE, Role.VERIFIER})
"""Roles whose answer is a report for us, and never the client's."""


class Trial:
    """One attempt. ``trigger``: why it was started (``audit.records.Contribution``); ``permit``: its place, given back in the end."""

    def __init__(
        self,
        flight: Flight,
        call: AdmittedCall,
        ask: Ask,
        number: int,
        grant: Grant,
        permit: Permit,
        *,
        trigger: str,
        stream: bool,
    ) -> None:
        self.flight = flight
        self.call = call
        self.number = number
        self.observed: JsonObject = {}
        self.received = 0
        self.events = EventStream(keep_usage=flight.request.include_usage, reasoning=flight.request.options.reasoning)
        self._response_label = openings.response_label(call.leg, number)
        self._hash = flight.commitments.stream(self._response_label)
        self._ask = ask
        self._request_label = openings.request_label(call.leg, number)
        self._request_commitment = ""
        self._grant = grant
        self._permit = permit
        self._trigger = trigger
        self._started_us = flight.clock_us()
        self._begun_us: int | None = None
        self._usage: Usage | None = None
        self._model = ""
        self._upstream_id = ""
        self._region = ""
        self._settled = False
        self._stream = stream
        self._body = _body(flight.request, call, ask, grant, stream=stream)

    def request(self) -> UpstreamRequest:
        """What is sent; its commitment is taken now, so that the record covers attempts that never got an answer.

        The time limit is the deployment's own: the request's deadline is kept by whoever waits for the leg.
        """
        self._request_commitment = self.flight.commitments.of(self._request_label, orjson.dumps(self._body))
        return UpstreamRequest(body=self._body, stream=self._stream, timeout_s=self.call.deployment.timeout_ms / 1000)

    def note(self, chunk: bytes) -> None:
        """Count what came back; what comes after the record was taken is not part of it."""
        if self._settled:
            return
        self._hash.update(chunk)
        self.received += len(chunk)
        if self.flight.contents is not None:
            self.flight.contents.note(self._response_label, chunk)

    def feed(self, chunk: bytes) -> bytes:
        """Bytes to forward of a stream's chunk. Raises an ``UpstreamError``."""
        self.note(chunk)
        try:
            content = self.events.feed(chunk)
        except ValueError as cause:
            raise UpstreamServerError(f"expected a stream of events, got {cause}") from cause
        if self.events.error:
            raise UpstreamBroken("the stream ended with an error of the provider's")
        return content

    def ended(self) -> None:
        """The stream is over. Raises ``UpstreamBroken`` if it did not say so."""
        if not self.events.done:
            raise UpstreamBroken("the stream ended before its end mark")

    def check_place(self) -> None:
        """Raise an ``UpstreamError`` if it says that it computed where it must not, and such answers are withheld."""
        if self.flight.withhold and self.residency() is Residency.VIOLATED:
            raise UpstreamServerError("the answer came from elsewhere than declared", code=RESIDENCY_VIOLATED)

    def residency(self) -> Residency:
        """What its report says about the declaration."""
        return self.flight.residency(self.call.deployment, self.region())

    def region(self) -> str:
        """Where it says that it computed, or ""; of reports that differ (head, body, events) one from elsewhere than declared."""
        said = [
            bounded(each, 64) for each in (self._region, *self.events.regions, self.observed.get("region", "")) if each
        ]
        elsewhere = (r for r in said if self.flight.residency(self.call.deployment, r) is Residency.VIOLATED)
        return next(elsewhere, said[0] if said else "")

    def learned(self, found: Completion) -> None:
        """What a whole answer says about itself."""
        self._usage, self._model, self._upstream_id = found.usage, found.model, found.upstream_id
        self._region = found.region

    def begun(self) -> None:
        """Its first content, or the whole of it, is here."""
        self._begun_us = self.flight.clock_us()

    def drop(self) -> None:
        """It is not made after all: nothing was sent, and nothing goes on record."""
        if not self._settled:
            self._settled = True
            self.flight.budget = self.flight.budget.settle(self._grant, 0)
            self._permit.give_back(Ended(fate=Fate.NOTHING))

    def settle(self, status: LegStatus, error: str = "", *, unanswered: bool = False) -> None:
        """Put the attempt on record; further calls do nothing. ``unanswered``: it failed, and its provider did not say so, so
        what it charges is not known.
        """
        if self._settled:
            return
        self._settled = True
        usage, region = self.usage(unanswered=unanswered or status is LegStatus.CUT), self.region()
        attempt = Attempt(
            leg=self.call.leg,
            role=self.call.role,
            number=self.number,
            deployment=self.call.deployment,
            status=status,
            request_commitment=self._request_commitment,
            response_commitment=self._hash.hexdigest() if self.received else "",
            usage=usage,
            started_us=max(0, self._started_us - self.flight.origin_us),
            duration_us=max(0, self.flight.clock_us() - self._started_us),
            trigger=self._trigger,
            error=error,
            region=region,
            residency=self.flight.residency(self.call.deployment, region).value if self.received else "",
            model=bounded(self._model or self.events.model or self.observed.get("model", ""), 128),
            upstream_id=bounded(
                self._upstream_id or self.events.upstream_id or self.observed.get("request_id", ""), 128
            ),
        )
        self.flight.attempts.append(attempt)
        self.flight.budget = self.flight.budget.settle(self._grant, attempt.cost_micro_usd)
        until_us = self.flight.clock_us() if error == CUT_HEDGE else self._begun_us
        took_us = None if until_us is None else until_us - self._started_us
        self._permit.give_back(Ended(fate=_fate(status, error), took_us=took_us, stream=self._stream))

    def usage(self, *, unanswered: bool = False) -> Usage:
        """Tokens as reported; estimated where the upstream answered and said nothing, or that no token at all was taken, and where a
        call that was sent has no answer: it is billed as if it had been given one of typical length, for a provider may well have
        written it.
        """
        reported = self._usage or self.events.usage
        if reported is not None and (reported != Usage() or not self.received):
            return reported
        written = self.received // CHARACTERS_PER_TOKEN
        if unanswered and self._request_commitment and not self._stream:
            written = max(written, self.call.deployment.longest_typical or TOKENS_OUT)
        elif not self.received and not (unanswered and self._request_commitment):
            return Usage()
        return Usage(tokens_in=self._prompt_tokens(), tokens_out=min(written, self._allowance()), estimated=True)

    def _prompt_tokens(self) -> int:
        own = self.flight.request.needs.prompt_tokens_estimate
        messages = self._ask.messages
        return own if messages is None else own + len(orjson.dumps(messages)) // CHARACTERS_PER_TOKEN

    def _allowance(self) -> int:
        """The most tokens that it may write."""
        granted = self._grant.max_tokens
        return most_output(self.call.deployment, self.flight.request.needs) if granted is None else granted


def _fate(status: LegStatus, error: str) -> Fate:
    if status is LegStatus.CUT or error == DEFECT:
        return Fate.NOTHING
    return Fate.FAILED if error in _ITS_FAULT else Fate.ANSWERED


def _body(request: InferenceRequest, call: AdmittedCall, ask: Ask, grant: Grant, *, stream: bool) -> dict[str, Any]:
    """Body of a call in the neutral form: the client's own, with what the leg and the budget change."""
    body = {**request.parameters, "messages": request.messages if ask.messages is None else ask.messages}
    if call.role in _REPORTING:
        for key in _CLIENT_ONLY:
            body.pop(key, None)
    if ask.sample:
        seed = body.get("seed")
        body["seed"] = ((seed if isinstance(seed, int) else 0) + ask.sample) % (1 << 63)
        body.setdefault("temperature", 0.7)
    if "no-content-storage" in call.obligations:
        body.pop("store", None)
    if grant.max_tokens is not None:  # in the place of both, as nobody knows which of them this provider heeds
        for key in [each for each in LIMITS if body.get(each) is not None] or ["max_tokens"]:
            body[key] = grant.max_tokens
    if stream:
        body["stream_options"] = {"include_usage": True}
    return body
