"""The sound that speech may have to be sent again: a replica of it can die in the middle of an utterance."""

from collections import deque

from parlance.v1.speech_service_pb2 import HearRequest
from parlance.v1.turn_pb2 import Header

# 16 kHz, 16 bit, mono.
_BYTES_PER_S = 32_000
# An utterance is cut after a minute.
_MOST = 62 * _BYTES_PER_S
# While nobody speaks: what the detector may need of the past. Just after an utterance: nothing of that.
_IDLE, _AFTER = _BYTES_PER_S, 2 * _BYTES_PER_S // 5


class KeptSound:
    """`until_end`: utterances are told apart by their ends, so that nothing is dropped before one."""

    def __init__(self, until_end: bool) -> None:
        self._until_end = until_end
        self._pieces: deque[HearRequest] = deque()
        self._bytes = 0
        # Of the utterances that have begun and whose words have not come, oldest first.
        self._open: deque[Header] = deque()

    def sent(self, request: HearRequest) -> None:
        """A piece of sound, or the end of an utterance, on its way to speech."""
        if request.WhichOneof("message") not in ("pcm", "end"):
            return
        self._pieces.append(request)
        self._bytes += len(request.pcm)
        self._keep(_MOST if self._open or self._until_end else _IDLE)

    def began(self, header: Header) -> None:
        self._open.append(header)

    def settled(self, turn_id: str) -> None:
        """The words of this utterance have come, and those of the ones before it: they are told in order."""
        if not any(header.turn_id == turn_id for header in self._open):
            return
        while self._open.popleft().turn_id != turn_id:
            self._drop_one()
        self._drop_one()
        if not self._open and not self._until_end:
            self._keep(_AFTER)

    def again(self) -> tuple[list[HearRequest], deque[Header]]:
        """What is to be sent once more, and the turns that its utterances have already."""
        return list(self._pieces), deque(self._open)

    def _drop_one(self) -> None:
        """An utterance that was told to end: its pieces, and that."""
        if self._until_end:
            while self._pieces and self._pop().WhichOneof("message") != "end":
                pass

    def _pop(self) -> HearRequest:
        piece = self._pieces.popleft()
        self._bytes -= len(piece.pcm)
        return piece

    def _keep(self, most: int) -> None:
        while self._pieces and self._bytes > most:
            self._pop()
