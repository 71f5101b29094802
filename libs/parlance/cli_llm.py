"""`parlance llm`: who would answer a question and why nobody else, and an answer without a conversation."""

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from parlance.cli_ask import Json, console, errors, from_running, print_json, run_async, streamed
from parlance.cli_consent import consent
from parlance.errors import InvalidRequest
from parlance.money import dollars, shown
from parlance.route_table import CAPABILITIES, TIERS, one_of
from parlance.v1.gateway_service_pb2 import AskModelRequest, ExplainAnswerRequest
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, ExplainRequest, Finish, Image, Role
from parlance.v1.turn_pb2 import Label

_LABELS = {Label.Name(v).removeprefix("LABEL_").lower().replace("_", "-"): v for v in Label.values() if v}
_TIER = {value: name for name, value in TIERS.items()}
# By how such a file begins; of a WebP, more is looked at below.
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
_MOST_BYTES = 10 * 1024 * 1024
_GOOD = (Finish.FINISH_STOP, Finish.FINISH_LENGTH, Finish.FINISH_TOOL_CALLS, Finish.FINISH_CONTEXT_FULL)

llm_app = typer.Typer(help="Language models: who would answer, and what one says.", no_args_is_help=True)

llm_app.command()(consent)

Words = Annotated[list[str], typer.Argument(help="The question; quotes are not needed.")]
For = Annotated[str, typer.Option("--for", metavar="WHAT", help=f"What is asked for: {', '.join(CAPABILITIES)}.")]
Labelled = Annotated[str, typer.Option("--label", help=f"Who may see it: {', '.join(_LABELS)}.")]


@llm_app.command()
def explain(text: Words, for_: For = "chat", label: Labelled = "open", as_json: Json = False) -> None:
    """Which model would answer, and why each other one is passed over. Nobody is asked."""
    request = ExplainAnswerRequest(explain=ExplainRequest(request=_request(text, for_, label)))
    told = run_async(from_running("ExplainAnswer", request)).explained
    if as_json:
        print_json(explained_json(told))
    else:
        console.print(explained_table(told))


@llm_app.command()
def ask(  # noqa: PLR0913 - a command's options
    text: Words,
    model: Annotated[
        str, typer.Option("--model", metavar="PROVIDER:MODEL", help="This one alone; its vendor may see the question.")
    ] = "",
    for_: For = "chat",
    label: Labelled = "open",
    image: Annotated[list[Path] | None, typer.Option("--image", help="A picture to look at; several times.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a language model, without a conversation: nothing before it is told, nothing is remembered."""
    request = _request(text, for_, label)
    request.target = model
    request.messages[0].images.extend(_image(file) for file in image or [])
    answer = run_async(_asked(request, aloud=not as_json))
    if as_json:
        print_json(answer_json(answer))
    else:
        _show(answer)
    if answer["finish"] not in _GOOD:
        raise typer.Exit(1)


async def _asked(request: AnswerRequest, aloud: bool) -> dict[str, Any]:
    """All that came. `aloud`: text is shown as it comes."""
    answer: dict[str, Any] = {"text": "", "began": None, "finished": None, "finish": 0, "consent": None}
    answer |= {"citations": [], "tool_calls": []}
    async with aclosing(streamed("AskModel", AskModelRequest(request=request))) as responses:
        async for response in responses:
            _take(answer, response.part, aloud)
    return answer


def _take(answer: dict[str, Any], part: Any, aloud: bool) -> None:
    match part.WhichOneof("part"):
        case "text":
            answer["text"] += part.text
            if aloud:
                console.out(part.text, end="", highlight=False)
                console.file.flush()
        case "began":
            answer["began"] = part.began
        case "finished":
            answer["finished"], answer["finish"] = part.finished, part.finished.finish
        case "citation":
            answer["citations"].append(part.citation)
        case "tool_call":
            answer["tool_calls"].append(part.tool_call)
        case "consent_needed":
            answer["consent"] = part.consent_needed


def _show(answer: dict[str, Any]) -> None:
    """What stands after the text: pages, who answered, for how much."""
    if answer["text"] and not answer["text"].endswith("\n"):
        console.out("")
    for citation in answer["citations"]:
        console.out(f"  {citation.title}: {citation.url}" if citation.title else f"  {citation.url}")
    if (needed := answer["consent"]) is not None:
        errors.print(
            f"{needed.speaks_as or needed.vendor} would answer ({needed.provider}), and may not see this unless you "
            f"say so: add --model {needed.provider}",
            markup=False,
            soft_wrap=True,
        )
    if answer["finished"] is not None:
        errors.print(
            " · ".join(_account(answer["began"], answer["finished"])), style="dim", markup=False, soft_wrap=True
        )


def _account(began: Any, finished: Any) -> list[str]:
    counted = "about " if finished.estimated else ""
    cached = f" ({finished.cache_read_tokens} cached)" if finished.cache_read_tokens else ""
    how = Finish.Name(finished.finish).removeprefix("FINISH_").lower().replace("_", " ")
    return [
        *([began.provider, f"rule {began.rule}", _TIER.get(began.tier, "?"), began.route_version] if began else []),
        f"{counted}{finished.input_tokens} tokens in{cached}, {finished.output_tokens} out",
        shown(finished.cost_nanos)[0],
        *([how] if finished.finish != Finish.FINISH_STOP else []),
    ]


def answer_json(answer: dict[str, Any]) -> dict[str, Any]:
    began, finished, needed = answer["began"], answer["finished"], answer["consent"]
    return {
        "text": answer["text"],
        "provider": began.provider if began else None,
        "speaks_as": began.speaks_as or None if began else None,
        "rule": began.rule if began else None,
        "tier": _TIER.get(began.tier) if began else None,
        "route_version": began.route_version if began else None,
        "finish": Finish.Name(finished.finish).removeprefix("FINISH_").lower() if finished else None,
        "usage": _usage_json(finished) if finished else None,
        "citations": [{"url": c.url, "title": c.title} for c in answer["citations"]],
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in answer["tool_calls"]],
        "consent_needed": {"vendor": needed.vendor, "provider": needed.provider} if needed else None,
    }


def _usage_json(finished: Any) -> dict[str, Any]:
    names = (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "estimated",
    )
    return {name: getattr(finished, name) for name in names} | {"cost_usd": dollars(finished.cost_nanos)}


def explained_json(told: Any) -> dict[str, Any]:
    return {
        "route_version": told.route_version,
        "target": told.target or None,
        "candidates": [
            {
                "target": c.target,
                "rule": c.rule,
                "tier": _TIER.get(c.tier),
                "passed_over": c.passed_over or None,
                "needs_consent": c.needs_consent,
                "most_usd": dollars(c.most_nanos),
            }
            for c in told.candidates
        ],
    }


def explained_table(told: Any) -> Table:
    """In the order in which they would be asked."""
    who = f"{told.target} would answer" if told.target else "nobody would answer"
    table = Table(box=None, pad_edge=False, title=f"{who} (route {told.route_version})", title_justify="left")
    table.title_style = ""
    for name in ("target", "rule", "tier", "at the most", "why not"):
        table.add_column(name, overflow="fold")
    for c, most in zip(told.candidates, shown(*(c.most_nanos for c in told.candidates)), strict=True):
        why = c.passed_over or ("only if its user says so" if c.needs_consent else "")
        table.add_row(Text(c.target), Text(c.rule), _TIER.get(c.tier, ""), most if c.most_nanos else "", Text(why))
    return table


def _request(text: Sequence[str], for_: str, label: str) -> AnswerRequest:
    question = " ".join(text).strip()
    if not question:
        raise InvalidRequest("a question has words")
    return AnswerRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, text=question)],
        capability=one_of(for_, CAPABILITIES, "a capability"),
        label=one_of(label, _LABELS, "a label"),
    )


def _image(file: Path) -> Image:
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"{file} cannot be read: {exc.strerror}") from exc
    kind = next((kind for begins, kind in _IMAGES.items() if data.startswith(begins)), "")
    if not kind or (kind == "image/webp" and data[8:12] != b"WEBP"):
        raise InvalidRequest(f"{file} is no PNG, JPEG, WebP or GIF")
    if len(data) > _MOST_BYTES:
        raise InvalidRequest(f"{file} has {len(data) // 1024**2} MB; at most {_MOST_BYTES // 1024**2} can be sent")
    return Image(media_type=kind, data=data)
