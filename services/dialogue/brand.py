"""Under one's own brand no vendor is named where a model speaks of itself: "I am Claude, made by Anthropic" becomes
"I am Nova, made by the people behind Nova". What a model says of others stays: a painter may be called Claude."""

import re

from parlance.v1.state_pb2 import Persona

_MODELS = "|".join(
    (
        # A first name too: "Claude Monet" is nobody of ours.
        r"Claude(?:[ -](?:AI|Code|Opus|Sonnet|Haiku|Instant|[0-9][\w.-]*))*(?! (?-i:[A-Z][a-z]+))",
        r"(?:Chat ?)?GPT(?:[ -]?[0-9o][\w-]*(?:\.[0-9]+[\w-]*)?)?(?: (?:mini|nano|pro|turbo))?",
        r"(?:Google )?Gemini(?:[ -](?:Pro|Flash|Ultra|Nano|[0-9][\w-]*(?:\.[0-9]+[\w-]*)?))*",
        r"Bard|Gemma|(?:Meta )?Llama(?:[ -]?[0-9][\w-]*)?|Mistral(?: (?:Large|Medium|Small))?|Mixtral|Qwen[\w-]*",
        r"DeepSeek(?:[ -][VR][0-9]\w*)?|Grok(?:[ -][0-9]\w*)?|SmolLM[\w-]*|Copilot",
    )
)
_VENDORS = (
    r"Anthropic(?: PBC)?|Open ?AI|Google(?: DeepMind| AI| LLC)?|DeepMind|Alphabet|Meta(?: AI)?|Mistral AI|xAI"
    r"|Alibaba(?: Cloud)?|Microsoft|Hugging ?Face"
)
_ANY = f"(?:{_VENDORS}|{_MODELS})"
_NAME = re.compile(rf"(?<!\w){_ANY}(?!\w)", re.I)
_MODEL = re.compile(rf"(?<!\w)(?:(?:{_VENDORS})['\u2019]s )?(?:{_MODELS})(?!\w)", re.I)
_VENDOR = re.compile(rf"(?<!\w)(?:{_VENDORS})(?!\w)", re.I)
# What nobody else is called: an identifier of the wire, a product.
_UNMISTAKABLE = re.compile(r"(?<![\w/.-])(?:claude|gpt|gemini|chatgpt|o[1-9])-[\w.-]*\w|(?<!\w)ChatGPT(?!\w)", re.I)
_ME = re.compile(r"\b(?:I(?:['\u2019](?:m|ve|d|ll))?|[Mm]e|[Mm]y|[Mm]ine|[Mm]yself|[Ww]e|[Oo]ur|[Uu]s)\b")
# How a model speaks of itself without "I".
_ITSELF = re.compile(
    "|".join(
        (
            r"\b(?:made|built|created|developed|trained|designed|powered|provided|run|offered)(?: and \w+)? by NAME",
            r"\b(?:this is|it['\u2019]?s|it is|as|called|named|(?:talk|speak|chat)ing (?:to|with)) NAME",
            r"\b(?:name|model|version|vendor|maker|developer|assistant)(?: is|:|,)? NAME",
            r"\bNAME(?: here| speaking|,? at your service| can(?:not|['\u2019]t)?\b| could\b| will\b| has\b| do)",
            r"\bNAME(?:,| is)(?: an?| the| your| here)\b",
            r"\b(?:assistant|model|chatbot|AI)\b[^.!?]*\b(?:by|from|of) NAME",
            r"\bNAME['\u2019]s (?:AI|assistant|(?:large )?language model|model|chatbot)\b",
        )
    ).replace("NAME", rf"{_ANY}(?!\w)"),
    re.I,
)
# Asked of the assistant itself, whoever else is named.
_TO_IT = re.compile(
    r"\b(?:are you|you are|you['\u2019]re|your (?:name|model|maker|vendor|developer|creator|version|company)"
    r"|(?:made|built|created|trained|call|calls|named|behind|runs|powers) you|you (?:called|run|based)"
    r"|(?:which|what) (?:language )?model|introduce yourself|about yourself)\b",
    re.I,
)
# A variable of a vendor's, or a target.
_VARIABLE = re.compile(rf"(?<![a-z])(?:{_VENDORS})[_:]", re.I)
_ENDS = re.compile(r"[.!?…][\"')\]]*(?=\s|$)")


class Brand:
    """Of one answer, clause by clause. `asked`: what its user said; whom he names himself may be spoken of."""

    def __init__(self, persona: Persona, asked: str) -> None:
        self._name = persona.name or "your assistant"
        self._maker = f"the people behind {persona.name}" if persona.name else "the people who run me"
        self._named_by_user = bool(_NAME.search(asked))
        self._about_itself = bool(_TO_IT.search(asked))
        # What was said of a sentence that goes on.
        self._begun = ""

    def hide(self, clause: str) -> str:
        """The clause without a vendor's name where the model speaks of itself."""
        ends = [match.end() for match in _ENDS.finditer(clause)]
        made, at = "", 0
        for end in ends:
            made += self._sentence(clause[at:end])
            self._begun, at = "", end
        made += self._sentence(clause[at:])
        self._begun += f"{clause[at:]} "
        return made

    def _sentence(self, text: str) -> str:
        if not _NAME.search(text):
            return text
        if self._of_itself(self._begun + text):
            return _VENDOR.sub(self._maker, _MODEL.sub(self._name, text))
        return text if self._named_by_user else _UNMISTAKABLE.sub(self._name, text)

    def _of_itself(self, sentence: str) -> bool:
        if _ME.search(sentence) or self._about_itself:
            return True
        return not self._named_by_user and bool(_ITSELF.search(sentence))


def unnamed(told: str) -> str:
    """What a device is told of a failure: nothing that names a vendor. Whoever runs the platform reads the rest."""
    named = _NAME.search(told) or _UNMISTAKABLE.search(told) or _VARIABLE.search(told)
    return (
        "a language model failed; the operator's 'parlance turn' and 'parlance llm explain' say why" if named else told
    )
