"""From the parts of an answer to clauses that can be spoken: whose they are, where they come from."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from parlance.v1.llm_service_pb2 import AnswerResponse, Citation
from parlance.v1.reply_pb2 import ReplyClause, Source
from parlance.v1.state_pb2 import Persona
from services.dialogue import wording
from services.dialogue.brand import Brand
from services.dialogue.clauses import Clauses

# Links as models write them into their text: nobody wants to hear an address.
_NOTES = re.compile(r"\s*\((?:\[[^\]\n]*\]\([^)\s]*\)[,;]?\s*)+\)")
_LINK = re.compile(r"\[([^\]\n]*)\]\([^)\s]*\)")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+")
# Google's own address for the pages that its model has read; their title is the page's host.
_REDIRECTS = "vertexaisearch.cloud.google.com"


class Replying:
    """Of one answer. `asked`: what its user said."""

    def __init__(self, persona: Persona, asked: str) -> None:
        self._persona = persona
        self._brand = Brand(persona, asked) if persona.own_brand else None
        self._splitter = Clauses()
        self._provider = self._version = self._speaks_as = self._named = ""
        self._sources: dict[str, Source] = {}
        # Of them, those that no clause has yet.
        self._new: list[Source] = []
        self.said = False

    def take(self, part: AnswerResponse) -> Iterator[ReplyClause]:
        """The clauses that this part completes."""
        if part.HasField("began"):
            self._provider, self._version = part.began.provider, part.began.route_version
            self._speaks_as = part.began.speaks_as
        elif part.HasField("citation"):
            self._cited(part.citation)
        for text in self._splitter.add(part.text):
            yield from self._clause(text)

    def rest(self) -> Iterator[ReplyClause]:
        """When no more parts come: what is left, and where it is from."""
        for text in self._splitter.rest():
            yield from self._clause(text)
        if words := wording.is_from(_hosts(self._sources.values())):
            yield self._made(words)

    def _clause(self, text: str) -> Iterator[ReplyClause]:
        text = _LINK.sub(r"\1", _NOTES.sub("", text)) if "](" in text else text
        text = (self._brand.hide(text) if self._brand is not None else text).strip()
        if not text:
            return
        if self._speaks_as != self._named and self._brand is None:
            self._named = self._speaks_as
            text = wording.says(self._speaks_as, text)
        yield self._made(text)

    def _made(self, text: str) -> ReplyClause:
        new, self._new, self.said = self._new, [], True
        return ReplyClause(text=text, provider=self._provider, route_version=self._version, sources=new)

    def _cited(self, citation: Citation) -> None:
        source = Source(url=_plain(citation.url), title=citation.title)
        if self._brand is not None and _REDIRECTS in source.url:
            source.url = f"https://{_host(source)}"
        if source.url.startswith(("https://", "http://")) and source.url not in self._sources:
            self._sources[source.url] = source
            self._new.append(source)


def _plain(url: str) -> str:
    """Without what tells the page who sent its reader."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if "utm_" not in parts.query:
        return url
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not k.startswith("utm_")]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _host(source: Source) -> str:
    """As it is said: example.org."""
    title = source.title.strip().lower()
    host = urlsplit(source.url).hostname or ""
    if host == _REDIRECTS:
        host = title if _HOST.fullmatch(title) else ""
    return host.removeprefix("www.")


def _hosts(sources: Iterable[Source]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(_host, sources))))
