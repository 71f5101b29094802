"""How much a question may cost at the most, before anybody has counted its tokens."""

from dataclasses import replace
from datetime import date

from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage
from parlance.v1.turn_pb2 import Capability
from services.llm.model import Model, Prices, cost_nanos
from services.llm.provider import Usage

# Bytes of UTF-8 in a token, at the least, of what people write: English has about four, Chinese and Hindi about three.
# Long runs of digits and base64 have fewer.
_BYTES = 3
# On top of it, in per cent.
_MARGIN = 10
# What a message, an image and the vendor's own words about tools cost beside their bytes: more than vendors tell.
_MESSAGE, _IMAGE, _TOOLS = 10, 5_000, 600
# What a vendor that looks into the web puts before its model.
_PAGES = 20_000
# How often one answer may search, where the vendor lets it be limited.
SEARCHES = 3


def input_tokens(request: AnswerRequest) -> int:
    """An upper estimate of what a model reads: bytes / 3 + 10 %, 10 tokens a message, 5,000 an image, 600 for tools."""
    size, images = len(request.output_schema.encode()), 0
    for tool in request.tools:
        size += sum(len(text.encode()) for text in (tool.name, tool.description, tool.parameters))
    for message in request.messages:
        size += len(message.text.encode())
        if message.state or message.tool_calls or message.images:
            size += _beside_words(message)
            images += len(message.images)
    plain = -(-size * (100 + _MARGIN) // (100 * _BYTES))
    return plain + _MESSAGE * len(request.messages) + _IMAGE * images + (_TOOLS if request.tools else 0)


def _beside_words(message: ChatMessage) -> int:
    calls = sum(len(call.name) + len(call.arguments.encode()) for call in message.tool_calls)
    return calls + sum(len(state.data) for state in message.state)


def most_nanos(request: AnswerRequest, tokens: int, model: Model, today: date, for_an_hour: bool = False) -> int | None:
    """US dollars / 1e9; None where the catalogue has no price for today. All input (`tokens`, as `input_tokens` says)
    at the dearer of the price of input and of a cache write (20,000 tokens more where the web is asked), and as much
    output as is let. `for_an_hour`: what is put into the cache stays there for one."""
    prices = model.prices_on(today)
    if prices is None:
        return None
    if not any((prices.input, prices.output, prices.cache_write, prices.web_search)):
        return 0
    read = tokens + (_PAGES if request.capability == Capability.CAPABILITY_WEB else 0)
    let = min(request.max_output_tokens or model.max_output_tokens, model.max_output_tokens)
    searches = SEARCHES if request.capability == Capability.CAPABILITY_WEB else 0
    return cost_nanos(_dearest(prices, for_an_hour), Usage(input_tokens=read, output_tokens=let, web_searches=searches))


def _dearest(prices: Prices, for_an_hour: bool) -> Prices:
    written = prices.cache_write_1h if for_an_hour and prices.cache_write_1h is not None else prices.cache_write
    dear = max(prices.input, written)
    return replace(prices, input=dear)
