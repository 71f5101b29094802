"""Who somebody is, hidden from a partner: it sees PERSON_1 for a name, and its answer gets the name back."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import product

from parlance.v1.llm_service_pb2 import ROLE_SYSTEM, ROLE_TOOL, AnswerRequest, Citation, ToolCall
from services.llm.identifiers import STEMS, finder, same
from services.llm.provider import Value

# A model may put it in another case, a backslash before the underscore where it writes Markdown, zeros before the
# number, and a space or a hyphen in place of the underscore (in capitals: "person 1" may be anybody).
_LOOSE = ("PERSON", "PLACE", "NAME")
_STEM = rf"(?:({'|'.join(STEMS)})\\?_|(?-i:({'|'.join(_LOOSE)})[ -]))"
_PLACEHOLDER = re.compile(rf"{_STEM}0{{0,2}}([1-9][0-9]*)(?![0-9])", re.I | re.A)
_TYPED = re.compile(rf"{_STEM}0*([0-9]+)", re.I | re.A)
_NOTE = "Words such as PERSON_1 or PLACE_2 stand for names and addresses. Write them exactly so, as if they were names."
# A JSON text's strings, and numbers that may be somebody's.
_LITERALS = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.+-])[0-9]{7,}(?![\w.])', re.S)
# What of a JSON Schema is words and not names of its parts.
_WORDS = ("title", "description", "$comment", "default", "const", "enum", "examples")


class Putter:
    """Puts back into an answer what its question's placeholders stand for. `add` and `rest` are for its text, which
    comes in pieces, `whole` and `arguments` for what comes at once."""

    def __init__(self, as_json: bool = False) -> None:
        """`as_json`: the answer's text is JSON."""
        self._as_json = as_json
        self._texts: dict[str, str] = {}
        # Of each placeholder, whatever its case: the first text that it stands for.
        self._firsts: dict[tuple[str, str], str] = {}
        self._held = ""
        self._begins: re.Pattern[str] | None = None

    @property
    def hidden(self) -> int:
        """How many identifiers were found."""
        return len(self._firsts)

    def stands_for(self, placeholder: str, text: str) -> None:
        stem, _, number = placeholder.partition("_")
        self._texts[placeholder] = text
        self._firsts.setdefault((stem.upper(), number), text)
        digits = max(len(n) for _, n in self._firsts)
        self._begins = _begins(tuple(sorted({s for s, _ in self._firsts})), digits)

    def add(self, text: str) -> str:
        """The answer's text as far as it can be told now: what may be the beginning of a placeholder waits."""
        if self._begins is None:
            return text
        text = self._held + text
        begins = self._begins.search(text)
        at = begins.start() if begins else len(text)
        self._held = text[at:]
        return self._put(text[:at], self._as_json)

    def rest(self, cut: bool = False) -> str:
        """What waits when no more text comes. `cut`: the answer was broken off, so what is not surely a whole
        placeholder is dropped."""
        held, self._held = self._held, ""
        if cut:
            found = _PLACEHOLDER.fullmatch(held)
            if found is None or any(n.startswith(found[3]) and n != found[3] for _, n in self._firsts):
                return ""
        return self._put(held, self._as_json)

    def whole(self, text: str) -> str:
        return self._put(text, False)

    def arguments(self, text: str) -> str:
        """Of a JSON text."""
        return in_json(text, self.whole)

    def value(self, value: Value) -> Value:
        """Of what a provider gives. Thoughts stay as they are: nobody hears them."""
        if isinstance(value, str):
            return self.add(value)
        if isinstance(value, ToolCall):
            return ToolCall(id=value.id, name=value.name, arguments=self.arguments(value.arguments))
        if isinstance(value, Citation):
            return Citation(url=value.url, title=self.whole(value.title))
        return value

    def _put(self, text: str, as_json: bool) -> str:
        if not self._texts:
            return text

        def stood_for(match: re.Match[str]) -> str:
            found = self._texts.get(match.group().replace("\\", ""))
            found = found or self._firsts.get(((match[1] or match[2]).upper(), match[3]))
            if found is None:
                return match.group()
            return _quoted(found)[1:-1] if as_json else found

        return _PLACEHOLDER.sub(stood_for, text)


def hide(request: AnswerRequest) -> tuple[AnswerRequest, Putter]:
    """The request as a partner may see it, and what makes its answer whole again. One identifier has one placeholder
    in it, whatever its case (PERSON_1, Person_1). Pictures, and what the vendor itself gave, stay as they are."""
    made = AnswerRequest()
    made.CopyFrom(request)
    del made.identifiers[:]
    names = _Names(request)
    for message in made.messages:
        is_json = message.role == ROLE_TOOL and _is_json(message.text)
        message.text = in_json(message.text, names.hide) if is_json else names.hide(message.text)
        for call in message.tool_calls:
            call.arguments = in_json(call.arguments, names.hide)
    for tool in made.tools:
        tool.description = names.hide(tool.description)
        tool.parameters = _in_schema(tool.parameters, names.hide)
    made.output_schema = _in_schema(made.output_schema, names.hide)
    if names.putter.hidden:
        _explain(made)
    return made, names.putter


class _Names:
    """The placeholders of one request. What its user typed himself and looks like one is given to nobody."""

    def __init__(self, request: AnswerRequest) -> None:
        self.putter = Putter(as_json=bool(request.output_schema))
        self._find = finder(request.identifiers)
        self._typed = {((m[1] or m[2]).upper(), m[3]) for text in _texts(request) for m in _TYPED.finditer(text)}
        self._made: dict[tuple[str, str], str] = {}
        self._casings: dict[tuple[str, str], Iterator[str]] = {}
        self._numbers = dict.fromkeys(STEMS, 0)

    def hide(self, text: str) -> str:
        """What stands between two of them may be known now that it stands alone: two numbers without a space."""
        found = self._find(text) if text else []
        if not found:
            return text
        parts, at = [], 0
        for each in found:
            parts += [self.hide(text[at : each.start]), self._placeholder(each.stem, text[each.start : each.end])]
            at = each.end
        return "".join(parts) + self.hide(text[at:])

    def _placeholder(self, stem: str, text: str) -> str:
        """Of a text in another case than before: the same in another case."""
        known = self._made.get((stem, text))
        if known is None:
            who = (stem, same(text))
            known = next(self._casings.get(who, iter(())), "")
            if not known:
                self._casings[who] = _casings(stem, self._next(stem))
                known = next(self._casings[who])
            self._made[stem, text] = known
            self.putter.stands_for(known, text)
        return known

    def _next(self, stem: str) -> str:
        while True:
            self._numbers[stem] += 1
            if (stem, str(self._numbers[stem])) not in self._typed:
                return str(self._numbers[stem])


def _casings(stem: str, number: str) -> Iterator[str]:
    """PERSON_1, Person_1, person_1, and all others."""
    first = (stem, stem.capitalize(), stem.lower())
    for word in dict.fromkeys([*first, *("".join(w) for w in product(*zip(stem, stem.lower(), strict=True)))]):
        yield f"{word}_{number}"


def _texts(request: AnswerRequest) -> Iterable[str]:
    """All that goes out and may come back."""
    for message in request.messages:
        yield message.text
        yield from (call.arguments for call in message.tool_calls)
    for tool in request.tools:
        yield tool.description
        yield tool.parameters
    yield request.output_schema


def _explain(request: AnswerRequest) -> None:
    if request.messages and request.messages[0].role == ROLE_SYSTEM:
        request.messages[0].text = f"{request.messages[0].text}\n{_NOTE}"
    else:
        kept = list(request.messages)
        del request.messages[:]
        request.messages.add(role=ROLE_SYSTEM, text=_NOTE)
        request.messages.extend(kept)


@lru_cache(maxsize=64)
def _begins(stems: tuple[str, ...], digits: int) -> re.Pattern[str]:
    """What finds at a text's end the beginning of a placeholder, or a whole one that may have more digits."""
    words = []
    for stem in stems:
        begun = "".join(f"(?:{letter}" for letter in stem[1:])
        words.append(f"{stem[0]}{begun}(?:\\\\?(?:_0{{0,2}}[0-9]{{0,{digits}}})?)" + ")?" * (len(stem) - 1))
        if stem in _LOOSE:
            words.append(f"(?-i:{stem}[ -]0{{0,2}}[0-9]{{0,{digits}}})")
    return re.compile(f"(?:{'|'.join(words)})\\Z", re.I | re.A)


def in_json(text: str, change: Callable[[str], str]) -> str:
    """A JSON text with its strings changed, the rest of it as it was; a text that is none is changed as a whole."""
    if not _is_json(text):
        return change(text)

    def changed(match: re.Match[str]) -> str:
        said = json.loads(match.group()) if match.group()[0] == '"' else match.group()
        new = change(said)
        return match.group() if new == said else _quoted(new)

    return _LITERALS.sub(changed, text)


def _in_schema(text: str, change: Callable[[str], str]) -> str:
    """A JSON Schema with its words changed, but not the names of its parts."""
    if not text:
        return text
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        return change(text)
    made = json.dumps(_in_words(schema, change), ensure_ascii=False)
    return text if made == json.dumps(schema, ensure_ascii=False) else made


def _in_words(schema: object, change: Callable[[str], str], words: bool = False) -> object:
    if isinstance(schema, dict):
        return {k: _in_words(v, change, words or k in _WORDS) for k, v in schema.items()}
    if isinstance(schema, list):
        return [_in_words(v, change, words) for v in schema]
    return change(schema) if words and isinstance(schema, str) else schema


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
