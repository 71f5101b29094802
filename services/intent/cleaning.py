"""The words around a request are taken off before it is looked at: greetings, courtesies, the last full stop."""

import re

_LEADS = re.compile(
    r"(?:hey|hi|hello|ok|okay|oh|um+|uh+|er|so|well|now|alright|all right|listen|excuse me|please|just|then)"
    r"(?:[ ,.!](?:there|assistant|computer|then)\b)?[ ,.!]"
    r"|(?:can|could|would|will|did|with) (?:you|we) |(?:kindly|please|just|maybe) |(?:can|could|may) i (?=see"
    r"|hear|get|know|have)"
    r"|i(?:'d| would) (?:like|love|want) (?:you )?to |i (?:want|need|have|wanna) (?:you )?to |let's |go ahead and "
    r"|and (?=(?:what|what's|how|when|where|set|put|add|please|now|tell|can|could|then)\b)"
    r"|help me |do you (?:know|happen to know|happen to have|have any idea) |i wonder |do me a favou?r and ",
    re.IGNORECASE,
)
_TAILS = re.compile(
    r"[ ,](?:please|thanks|thank you|for me|right now|at the moment|currently|if you (?:can|could)|then"
    r"|will you|okay)$",
    re.IGNORECASE,
)
_MARKS = " ,.!?;:"
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


def clean(text: str) -> str:
    """One line, plain quotes, no mark at the end. The case stays."""
    return " ".join(text.translate(_QUOTES).split()).rstrip(_MARKS)


def bare(text: str) -> str:
    """The request itself: "Hey, could you set a timer please?" -> "set a timer". Never empty where `text` is not."""
    request = clean(text)
    while (found := _LEADS.match(request)) and (rest := request[found.end() :].lstrip(_MARKS)):
        request = rest
    while (found := _TAILS.search(request)) and (rest := request[: found.start()].rstrip(_MARKS)):
        request = rest
    return request
