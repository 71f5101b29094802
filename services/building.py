"""Builds the services of one process: who asks whom, what must be loaded before the first turn."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from parlance.bus_choice import without_rows
from parlance.ground import Ground
from parlance.rpc_direct import DirectCarrier
from parlance.stage import Stage
from services.actions import wiring as actions_wiring
from services.actions.ticker import Ticker
from services.context import wiring as context_wiring
from services.dialogue import wiring as dialogue_wiring
from services.dialogue.dialogue import Dialogue
from services.intent import wiring as intent_wiring
from services.ledger.service import LedgerService
from services.llm import wiring as llm_wiring
from services.speech import wiring as speech_wiring
from services.tts import wiring as tts_wiring


@dataclass(slots=True)
class Built:
    carrier: DirectCarrier
    intent: Stage
    dialogue: Dialogue
    ticker: Ticker
    # Asked from outside too: the CLI's replay.
    services: dict[str, object]


async def build(ground: Ground, ledger: LedgerService, stack: AsyncExitStack) -> Built:
    """All services, loaded and warm; `stack` ends what must be ended."""
    services: dict[str, object] = {}
    rowless = replace(ground, bus=without_rows(ground.bus))
    carrier = DirectCarrier(services)
    stack.push_async_callback(carrier.stop)
    speech, intent, tts, (actions, ticker), context, llm = await asyncio.gather(
        speech_wiring.start(rowless),
        intent_wiring.start(rowless),
        tts_wiring.start(rowless),
        actions_wiring.start(ground),
        context_wiring.start(ground, ground.publish),
        llm_wiring.start(rowless, rowless.publish, stack),
    )
    await stack.enter_async_context(ledger.opened())
    services.update(Ledger=ledger, Actions=actions, Context=context, Llm=llm, Tts=tts, Speech=speech)
    return Built(carrier, intent, dialogue_wiring.start(ground, carrier), ticker, services)
