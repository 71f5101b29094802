"""What the words around a request are taken off before it is looked at: greetings, courtesies, the last full stop."""

import re

_LEAD = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|oh|um+|uh+|er|so|well|now|alright|all right|listen|excuse me|please|just|then|could you please)"
    r"(?:[ ,.!]+(?:there|assistant|computer|then))?[ ,.!]+"
    r"|(?:can|could|would|will|did|with|would) you (?:please |kindly |just )*"
    r"|i(?:'d| would) (?:like|love|want) (?:you )?to |i (?:want|need|have|wanna) (?:you )?to |let's |go ahead and |help me "
    r"|do you (?:know|happen to know|happen to have|have any idea) |(?:can|could|may) i (?:please )?(?=see|hear|get|know|have)"
    r"|i wonder |do me a favou?r and )+",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:[ ,]+(?:please|thanks|thank you|for me|right now|at the moment|currently|if you can|if you could|then|will you|okay)"
    r"|[ .,?!]+)+$",
    re.IGNORECASE,
)
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


def clean(text: str) -> str:
    """One line, plain quotes, no mark at the end. The case stays."""
    return re.sub(r"[ .,?!;:]+$", "", " ".join(text.translate(_QUOTES).split()))


def bare(text: str) -> str:
    """The request itself: "Hey, could you set a timer please?" -> "set a timer". Never empty where `text` is not."""
    plain = clean(text)
    cut = _LEAD.sub("", _TAIL.sub("", plain), count=1)
    return cut or plain
