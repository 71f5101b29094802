"""The question to whoever goes on with an answer that broke off."""

from parlance.v1.llm_service_pb2 import ROLE_ASSISTANT, ROLE_USER, AnswerRequest

_GO_ON = (
    "Your answer broke off after the words above. Go on with it exactly after the last of them. Repeat nothing of it, "
    "and do not mention the break."
)


def resumed(request: AnswerRequest, told: str) -> AnswerRequest:
    """The same question with what has been told of its answer."""
    made = AnswerRequest()
    made.CopyFrom(request)
    made.messages.add(role=ROLE_ASSISTANT, text=told)
    made.messages.add(role=ROLE_USER, text=_GO_ON)
    return made
