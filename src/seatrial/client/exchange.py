"""One request as a conversation: what to send, how long to wait, when to stop.

Nothing is sent from here. The generator yields what is to be done, and is sent what came of it; so
the same conversation is held by a client that blocks and by one that awaits.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

from seatrial.client.bodies import Body
from seatrial.client.options import Options
from seatrial.client.retries import Advice
from seatrial.client.splitting import cut, fitting, join
from seatrial.errors import DeadlineError, InputError, InvocationError

MAX_INFERENCE_ID = 64  # SageMaker Runtime's API model


@dataclass(frozen=True)
class Part:
    """What goes out in one call. `rows` None: the whole request."""

    body: Body
    inference_id: str
    rows: int | None


@dataclass(frozen=True)
class Call:
    """Send the part; `within_s` is what is left of the deadline."""

    part: Part
    within_s: float


@dataclass(frozen=True)
class Wait:
    """Let that much time pass."""

    seconds: float


@dataclass(frozen=True)
class Answered:
    """The endpoint's answer to a part."""

    body: Body
    event_id: str | None


@dataclass(frozen=True)
class Refused:
    """The service's, the model's or the network's error."""

    code: str
    message: str
    advice: Advice
    error: Exception


@dataclass(frozen=True)
class Late:
    """No answer within the deadline."""


@dataclass(frozen=True)
class Event:
    """One record of the prediction log, and which rows of the request are in it; None: all.

    Labels join by `event_id`, or by `inference_id`, and the row within the event.
    """

    event_id: str | None
    inference_id: str
    rows: int | None


@dataclass(frozen=True)
class Prediction:
    """The answer; `events` has one for each call that was answered, in the order of the rows."""

    body: bytes
    content_type: str
    events: tuple[Event, ...]
    attempts: int

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")


# What to do about a refusal, by its code.
ADVICE = {
    "ValidationError": "Check the endpoint's name, and the account and region of the credentials",
    "ThrottlingException": "Raise its MaxConcurrency, or ask for less at once",
    "ModelNotReadyException": "Give it more time, or keep it warm",
}

Outcome = Answered | Refused | Late
Conversation = Generator[Call | Wait, Outcome | None, Prediction]


@dataclass(frozen=True)
class Chance:
    """What the conversation needs of the world: the time, and luck from 0 to 1."""

    clock: Callable[[], float]
    luck: Callable[[], float]


def converse(body: Body, inference_id: str, options: Options, chance: Chance) -> Conversation:
    """Ask for the body's prediction, in as many calls as it takes."""
    if not 0 < len(inference_id) <= MAX_INFERENCE_ID:
        raise InputError(
            "the inference id cannot be sent",
            got=inference_id,
            allowed=f"1 to {MAX_INFERENCE_ID} characters",
            do="Give a shorter one",
        )
    asking = _Asking(options, chance, until=chance.clock() + options.deadline_s)
    pending = deque(_parts(fitting(body), inference_id))
    answers: list[tuple[Part, Answered]] = []
    while pending:
        part = pending.popleft()
        answer = yield from asking.ask(part)
        if answer is not None:
            answers.append((part, answer))
        else:
            pending.extendleft(reversed(_parts(cut(part.body, 2), part.inference_id)))
    return _joined(answers, asking.attempts)


@dataclass
class _Asking:
    """The deadline and the attempts of all parts together."""

    options: Options
    chance: Chance
    until: float
    attempts: int = 0

    def ask(self, part: Part) -> Generator[Call | Wait, Outcome | None, Answered | None]:
        """The answer to the part, after as many attempts as it takes; None: it is too large."""
        for made in itertools.count(1):
            if (left_s := self._left_s) <= 0:
                raise self._late(None)
            outcome = yield Call(part, left_s)
            self.attempts += 1
            if isinstance(outcome, Answered):
                return outcome
            if not isinstance(outcome, Refused):
                raise self._late(None)
            if outcome.advice == "halve":
                return None
            wait_s = self.options.retries.wait_s(made, self.chance.luck())
            if wait_s is None or outcome.advice == "final":
                raise self._given_up(outcome) from outcome.error
            if wait_s >= self._left_s:
                raise self._late(outcome) from outcome.error
            yield Wait(wait_s)
        raise AssertionError  # the count has no end

    @property
    def _left_s(self) -> float:
        return self.until - self.chance.clock()

    def _given_up(self, refused: Refused) -> InvocationError:
        return InvocationError(
            f"the endpoint gave no prediction in {self.attempts} "
            f"attempt{'s' if self.attempts > 1 else ''}",
            code=refused.code,
            spill=refused.advice == "spill",
            got=f"{refused.code}: {refused.message}",
            allowed="an answer",
            do=ADVICE.get(refused.code, "Look into the endpoint's log group"),
        )

    def _late(self, refused: Refused | None) -> DeadlineError:
        return DeadlineError(
            f"the endpoint gave no prediction within {self.options.deadline_s:g} s",
            code="Deadline" if refused is None else refused.code,
            spill=False,
            got="no answer yet" if refused is None else f"{refused.code}: {refused.message}",
            allowed=f"an answer within the deadline, after {self.attempts} attempts",
            do="Give more time, or make the model quicker to start and to answer",
        )


def _parts(pieces: list[tuple[Body, int | None]], inference_id: str) -> list[Part]:
    if len(pieces) == 1:
        body, rows = pieces[0]
        return [Part(body, inference_id, rows)]
    if len(f"{inference_id}/{len(pieces)}") > MAX_INFERENCE_ID:
        raise InputError(
            "the inference id leaves no room for the number of a part",
            got=inference_id,
            allowed=f"{MAX_INFERENCE_ID} characters with /1, /2 and so on behind it",
            do="Give a shorter one, or send fewer rows",
        )
    numbered = enumerate(pieces, start=1)
    return [Part(body, f"{inference_id}/{number}", rows) for number, (body, rows) in numbered]


def _joined(answers: list[tuple[Part, Answered]], attempts: int) -> Prediction:
    joined = join([answer.body for _, answer in answers])
    events = tuple(Event(answer.event_id, part.inference_id, part.rows) for part, answer in answers)
    return Prediction(joined.content, joined.content_type, events, attempts)
