"""The requests that are put in much the same words by everybody, as ordered patterns; the first that fits counts.

They match the bare request (cleaning.bare), and forgive what a recogniser makes of it at 12 dB of noise: "set a time for
ten seconds", "with milk on my shopping list", "what is N is number". A pattern must never catch an open question: what
it does not know, the classifier decides.
"""

import re

from services.intent import times
from services.intent.arithmetic import expression
from services.intent.cleaning import bare, clean
from services.intent.provider import CHAT, Understanding
from services.intent.slots import extract, usable
from services.intent.units import conversion

_I = re.IGNORECASE
_END = r"(?:cancel|council|counsel|stop|delete|remove|clear|end|kill|turn(?:ed)? off|switch off|shut off|disable|dismiss|abort|unset"
_END += r"|deactivate|drop|scrap|get rid of|forget(?: about)?|can't (?:solve|sell|still)|no (?:longer|more) need|don't need|won't need)"
_SHOW = r"(?:show|list|read|tell|check|see|hear|open|what|what's|which|are there|is there|do i have|any|how many|have i|did i)"
_LIST = r"(?:(?:shopping|chopping|shocking|grocery|packing|to[ -]?do|todo|task|\w+) )?(?:list|groceries list)"
_MAKE = r"(?:set|said|sit|such|start|put|make|create|begin|give me|need|want|run|add|new|another|fire up|have|a|an|time(?:r)? for)"
_MEETING = r"(?:meeting|meetings|meaning|meet(?: thing| in)?|beating|appointment|event|call|thing)"
_CONTACT = r"(?:'s|s'| is|s| has)?"

_REQUESTS: tuple[tuple[str, str], ...] = (
    (
        "stop",
        r"(?:stop|quiet|be quiet|silence|cancel|never ?mind|forget it|shut up|enough|that's enough|hush|shush|pause|halt)"
        r"(?: (?:it|that|this|now|talking|speaking|please))*",
    ),
    (
        "affirm",
        r"(?:yes|yeah|yep|yup|ya|sure|of course|correct|affirmative|absolutely|definitely|exactly|okay|ok|right|do it|go ahead"
        r"|please do|that's (?:right|correct|fine)|sounds good|confirm|thing|that would be great|it is|for it|go for it|,| )+",
    ),
    (
        "deny",
        r"(?:no|nope|nah|no way|no thanks?|no thank you|don't|do not|don't do (?:it|that)|not now|negative|that's (?:wrong|not right)"
        r"|not really|rather not|not today|,| )+",
    ),
    (
        "repeat",
        r"(?:repeat|say|tell me)(?: that| it| this)? ?(?:again|once more|one more time)?(?:, please)?|(?:what|sorry,? what) did you (?:just )?say"
        r"|pardon(?: me)?|come again|once more|one more time|what was that(?: again)?|repeat (?:that|it|please)|again",
    ),
    ("help", r"help(?: me)?|what can (?:you do|i (?:ask|say)(?: you)?)(?: for me)?|how do (?:you work|i use you)"),
    (
        "greeting",
        r"(?:(?:hello|hi|hey|hiya|howdy|greetings|good (?:morning|evening|afternoon|day))(?: there| to you)?,? ?)+",
    ),
    (
        "timer.cancel",
        rf"{_END} (?:the|my|that|this|all|any|every|all of|all my|all the|[\w-]+)*(?: [\w-]+){{0,2}} ?timers?(?: now| anymore| off)?"
        r"|(?:turn|switch|shut) (?:the|my|that|all) (?:[\w-]+ )?timers? off",
    ),
    (
        "timer.list",
        rf"{_SHOW}(?: [\w']+){{0,4}} timers?(?: (?:are|is|do i have|i have|running|set|active|left|going|on|now))*|how (?:much|long|many).*\b(?:left|remaining|until|till|longer)\b.*\btim(?:er|ers|e|bre)\b.*"
        r"|how much time (?:is|was|do i have) left|time left on .*|timer status|when (?:does|will|is) (?:the|my) (?:[\w-]+ )?timer .*",
    ),
    (
        "alarm.cancel",
        rf"{_END} (?:the|my|that|this|all|any|every|all of|all my|all the|[\w':.-]+)*(?: [\w':.-]+){{0,4}} ?alarms?(?: .*)?"
        r"|(?:turn|switch|shut) (?:the|my|that|all|every) (?:[\w':.-]+ ){0,3}alarms? off",
    ),
    (
        "alarm.list",
        rf"(?!set|put|make){_SHOW}(?: [\w']+){{0,4}} alarms?(?: (?:are|is|do i have|i have|set|active|on|said|for .+))*|(?:when|what time|at what time) (?:is|does|will) my alarm.*"
        r"|(?:what time|when) (?:will|do) you wake me.*",
    ),
    (
        "list.add",
        r"remind me to (?!.*\b(?:at|in) (?:\d|one|two|three|four|five|six|seven|eight|nine|ten|twenty|half|an?)\b).+",
    ),
    (
        "list.show",
        rf"(?:what's|whats|what is|what son|what|once|was|read(?: out)?|show(?: me)?|tell me (?:what's|what is)? ?|open|hear|go through|is there|right)"
        rf"(?: (?:all|out|me|left|else|through|anything|that's|is|are|there))* ?(?:on|in|off|all)? ?(?:the|my|our) {_LIST}|(?:(?:is|are) .+ on (?:my|our)|(?:do (?:i|we) have|did i put) .+ on (?:the|my|our)) {_LIST}"
        rf"|(?:my|the) shopping list",
    ),
    (
        "list.remove",
        r"(?:(?:please )?(?:take|remove|delete|cross|strike|scratch|drop|erase|tick|check) .+ (?:off|from|off of|of|out of|on)"
        rf"|(?:clear|empty|wipe|erase|delete)) (?:the|my|our) {_LIST}|(?:clear|empty|wipe|delete) (?:all|everything) (?:on|from|off) .*list",
    ),
    (
        "list.add",
        r"(?!(?:what|who|how|why|when|where|is|are|do|does|did|show|read|tell|take|remove|delete|cross|strike|scratch|erase|clear|open|go|check"
        rf"|get rid|drop|move|mark|red|right|brad|i don't|we don't|we no longer|make|create|spread|we removed|wipe|empty|hear|let)\b).+ (?:on ?to|on|to|in ?to|in) (?:the|my|our) {_LIST}",
    ),
    (
        "note.add",
        r"(?:take|make|write|leave|add|create|jot|save|keep|record)(?: me)?(?: down)?(?: an?| the| another)?(?: quick| new)* notes?\b.*"
        r"|(?:note(?: down)?|remember|keep in mind|i know) that .+|(?:write|right|jot) (?:this |that |it )?down\b.*|note to self.*|new note\b.*",
    ),
    (
        "note.show",
        r"(?:show|list|read|right|red|tell|open|see|go through)(?: me| out| back| to me)* (?:all )?(?:of )?my (?:last |latest )?notes?"
        r"|(?:what|which|do i have any)(?: are| is| was|'s)? (?:my )?(?:last )?notes?(?: do i have| have i .*)?",
    ),
    (
        "alarm.set",
        rf"(?:{_MAKE} )*(?:an?|another|in|and|the|my|morning|wake ?up|the) ?(?:alarm|alarm clock|wake ?up call)\b.*|alarm\b.*"
        r"|(?:wake|wait|make|get) me up\b(?! in\b).*|wake me (?!up|in\b).*",
    ),
    ("timer.set", r"(?:set|start|create|new|make)(?: up)?(?: an?| the| another| new)*(?: [\w-]+)? timer"),
    (
        "calendar.next",
        rf"(?:when|what|what's|where|who|how soon|how long until|one of these|once|that|that's|tell me|what time)\b.*\b(?:my|the|mine|minus) "
        rf"(?:next|neck's|net|left) {_MEETING}(?: with)?|(?:my )?next (?:meeting|appointment|event)"
        rf"|when(?:'s| is) (?:my|minus) {_MEETING}(?: with .+)?|what's (?:coming up )?next (?:on|in) my (?:calendar|schedule|agenda|diary)"
        r"|do i have (?:any )?upcoming (?:meetings|appointments|events)",
    ),
    (
        "calendar.day",
        r"(?:what's|what is|what do i have|what have i got|do i have anything|is there anything|what events do i have|show(?: me)?|read)"
        r"(?: (?:on|in|planned|scheduled|me|out))* my (?:calendar|calender|schedule|agenda|diary)(?: (?:for|on|to|this|next) ?.+| today| tomorrow)?"
        r"|what do i have(?: on| planned)? (?:today|tomorrow)|am i (?:free|busy) (?:on |this |next )?(?:\w+day|tomorrow|weekend)\b.*"
        r"|do i have (?:any )?(?:meetings|appointments)(?: scheduled)? (?:on |for |this |next )?(?:\w+day|today|tomorrow|tonight|week)\b.*"
        r"|what does my (?:day|\w+day) look like",
    ),
    (
        "contacts.birthday",
        r"(?:when|what|which|tell me|do you know|on which|on what).*\b(?:birth ?day|birth date|bird day)\b.*",
    ),
    (
        "contacts.email",
        r"(?:what(?:'s| is|s)?|find|give me|tell me|look up|have|get|need|.*'s).*\b(?:e-?mail|e mail)(?: address)?(?: (?:of|for) .+)?",
    ),
    (
        "contacts.address",
        r"where does .{2,30}? (?:a)?live|(?:what(?:'s| is)|find|give me|tell me|look up|get) .{1,30}'s (?:home |street |postal )?address",
    ),
    (
        "contacts.phone",
        rf"(?!is |are |does |do )(?:what(?:'s| is|s)?|find|give me|tell me|look(?:ing)?(?: up| for)?|have|get|need)? ?(?:[\w.']+ ){{0,3}}?[\w.]+{_CONTACT} (?:(?:cell|mobile|film|home|work|tele) ?)?(?:phone )?"
        r"(?:number|member|lumber|mumber)|.*\b(?:phone|mobile|telephone|cell) number (?:of|for) .+|.*\bnumber for .+",
    ),
    (
        "date.today",
        r"(?:what's|what is|what|tell me|give me|know|which|do you know)*(?: (?:what|is|was|the|which))*? ?(?:today's |the |current |todays )*(?:date|data|day)"
        r"(?: of the week| of the month)?(?: (?:is|was|do we have))?(?: it| today| tomorrow| this)*|what's today|what (?:month|year) is (?:it|this)"
        r"|(?:what's|what is) tomorrow's date",
    ),
    (
        "time.now",
        r"(?:(?:tell me|say|give me|show me|know|have|got|do you have|do you know|that's) )*(?:what(?:'s| is|s| was| does)? )?(?:the |your |current |local |exact |right )*"
        r"(?:time|times|hour)(?: (?:is|was|would|does|do|be|it))*(?: there)?(?: now)?(?: (?:over )?(?:in|and|at|for) (?!my |the |which |what )\D+)?"
        r"|how late is it(?: in .+)?|what hour is it(?: in .+)?",
    ),
)
_PATTERNS = tuple((intent, re.compile(pattern, _I)) for intent, pattern in _REQUESTS)
_TIMED = re.compile(
    r"\b(?:timer|count ?down|time me|let me know|alert me|ping me|nudge me|tell me when|remind me|wake me|wait me)\b|^(?:set|said|sit|such|start|put on)\b.*\b(?:time|tire|dimer|timers?)\b"
    r"|^(?:a )?time(?:r)? (?:for|of) \d",
    _I,
)
_CERTAIN = 1.0
_FOUND_BY = "patterns"


def match(text: str) -> Understanding | None:
    """What a text means, with its slots; None where no pattern is sure of it."""
    request = bare(text)
    for found in (_conversion(request), _timer(request), _sum(request)):
        if found is not None:
            return found
    for intent, pattern in _PATTERNS:
        if pattern.fullmatch(request) or (intent in _SHORT and pattern.fullmatch(clean(text))):
            slots = extract(intent, text)
            if usable(intent, slots):
                return Understanding(intent, _CERTAIN, slots, _FOUND_BY)
    return None


_SHORT = frozenset(("affirm", "deny", "stop", "repeat", "help", "greeting"))


def alone(text: str) -> Understanding:
    """What a text means by the patterns alone: what they do not know is for the language model."""
    return match(text) or Understanding(CHAT, 0.0, {}, _FOUND_BY)


def _conversion(request: str) -> Understanding | None:
    if not re.match(
        r"(?:how|what|convert|change|turn|express|\d|half|an?|one|two|three|four|five|six|seven|eight|nine|ten|give)\b",
        request,
        _I,
    ):
        return None
    slots = conversion(request)
    return Understanding("unit.convert", _CERTAIN, dict(slots), _FOUND_BY) if slots else None


def _timer(request: str) -> Understanding | None:
    """A length of time and a word for timing it: "count down from sixty seconds", "wake me in half an hour"."""
    if not _TIMED.search(request) or re.match(r"(?:cancel|stop|delete|how|what|when|why|is|does)\b", request, _I):
        return None
    length = times.duration(request)
    return Understanding("timer.set", _CERTAIN, {"duration": length}, _FOUND_BY) if length else None


def _sum(request: str) -> Understanding | None:
    found = expression(request)
    return Understanding("calc.evaluate", _CERTAIN, {"expression": found}, _FOUND_BY) if found else None
