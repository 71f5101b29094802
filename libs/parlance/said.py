"""What a client has said and may have to say again, with the next gateway: until it is known that it arrived."""

from collections import deque
from dataclasses import dataclass, field

from parlance.v1.gateway_service_pb2 import Accepted, AudioEncoding, ConverseRequest, Hello, Listening
from parlance.v1.turn_pb2 import MODALITY_SPOKEN

_RATE = 16_000
# Where speech is found in sound that never ends: an utterance has at most a minute; before one begins, its detector may
# need the second before.
_UTTERANCE_S, _IDLE_S = 62, 1
_PAST = 16


@dataclass(eq=False, slots=True)
class _Utterance:
    """`turn_id`: as soon as it is accepted."""

    turn_id: str = ""
    pieces: deque[ConverseRequest] = field(default_factory=deque)
    bytes: int = 0
    ended: bool = False

    def add(self, piece: ConverseRequest) -> None:
        self.pieces.append(piece)
        self.bytes += len(piece.audio)
        self.ended = piece.HasField("audio_end")

    def keep(self, most: int) -> None:
        while self.bytes > most:
            self.bytes -= len(self.pieces.popleft().audio)


class Said:
    """A text waits until it is accepted; spoken words until they were understood or have come to nothing, for a gateway
    that dies before takes their sound with it."""

    def __init__(self, hello: Hello) -> None:
        file = hello.encoding == AudioEncoding.AUDIO_ENCODING_FILE
        self._until_end = file or hello.listening == Listening.LISTENING_UNTIL_END
        self._bytes_per_s = 2 * (hello.sample_rate_hz or _RATE) * (hello.channels or 1)
        self._text: ConverseRequest | None = None
        self._utterances: deque[_Utterance] = deque()
        # Turns of which nothing waits here any more. One may be understood before it is told that it was accepted.
        self._past: deque[str] = deque(maxlen=_PAST)

    def text(self, request: ConverseRequest) -> None:
        """What was spoken before it is not said again: that would interrupt the answer to this."""
        self._text = request
        self._forget_spoken()

    def sound(self, piece: ConverseRequest) -> bool:
        """A piece of sound or the end of an utterance. Whether it begins one, as far as can be told from outside."""
        begins = not self._utterances or (self._until_end and self._utterances[-1].ended)
        if begins:
            self._utterances.append(_Utterance())
        newest = self._utterances[-1]
        newest.add(piece)
        if not self._until_end:
            newest.keep((_UTTERANCE_S if newest.turn_id else _IDLE_S) * self._bytes_per_s)
        return begins

    def accepted(self, accepted: Accepted) -> None:
        if self._text is not None and self._text.text.name == accepted.turn_id:
            self._text = None
            return
        new = accepted.modality == MODALITY_SPOKEN and accepted.turn_id not in self._past
        if new and (found := self._with("")) is not None:
            found.turn_id = accepted.turn_id

    def understood(self, turn_id: str) -> None:
        """The words of a spoken turn have come; those of the ones before it came before."""
        if turn_id not in self._past:
            self._drop(self._with(turn_id) or self._with(""))
            self._past.append(turn_id)

    def over(self, turn_id: str) -> None:
        """Whatever came of it: nothing of this turn is to be said again."""
        if (found := self._with(turn_id)) is not None:
            self._drop(found)
            self._past.append(turn_id)

    def speaks(self, turn_id: str) -> bool:
        """Whether it was spoken and has not become words: then it is said again, as a turn of its own."""
        return bool(turn_id) and self._with(turn_id) is not None

    def again(self) -> list[ConverseRequest]:
        """All that is to be said with the next gateway, in order. What was spoken becomes turns that it accepts."""
        for utterance in self._utterances:
            if utterance.turn_id:
                self._past.append(utterance.turn_id)
            utterance.turn_id = ""
        first = []
        if self._text is not None:
            self._text.text.again = True
            first = [self._text]
        return first + [piece for utterance in self._utterances for piece in utterance.pieces]

    def forget(self) -> None:
        """It was refused, and its user was told so."""
        self._text = None
        self._forget_spoken()

    def _with(self, turn_id: str) -> _Utterance | None:
        """The oldest of this turn; of none: the oldest that is not accepted yet."""
        return next((u for u in self._utterances if u.turn_id == turn_id), None)

    def _drop(self, last: _Utterance | None) -> None:
        while last is not None and self._utterances.popleft() is not last:
            pass

    def _forget_spoken(self) -> None:
        self._past.extend(u.turn_id for u in self._utterances if u.turn_id)
        self._utterances.clear()
