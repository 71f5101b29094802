"""Scenarios that random seeds hardly ever meet, or that ask for many trials of one thing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

from parlance.errors import Unavailable
from parlance.events import parse
from tests.simulation.client import Client
from tests.simulation.judge import Verdict, judge
from tests.simulation.nodes import Stack
from tests.simulation.run import Run
from tests.simulation.scenarios import Trouble, played, rest
from tests.simulation.store import SimStore
from tests.simulation.world import Faults, World

Script = Callable[[Run], Coroutine[Any, Any, None]]


def quiet(script: Script, seed: int = 1, *, embedded: bool = False, fenced: bool = True) -> tuple[Run, Verdict]:
    """A world without faults but those of the script. One device is connected, which takes sound."""
    world = World(seed, Faults(fenced=fenced, delay_s=0.005, break_off=0.0))
    world.faulty = False

    async def whole(run: Run) -> Verdict:
        for name in run.stack.mains:
            run.stack.start(name)
        run.clients = [Client(run.stack, "s0", "d0", mute=False)]
        run.clients[0].connect()
        await asyncio.sleep(0.5)
        await script(run)
        await rest(run)
        return await judge(run)

    return played(Run(world, Stack(world, embedded=embedded)), whole)


async def intent_comes_first(run: Run) -> None:
    """Dialogue sees what was meant long before it sees that the turn was accepted."""
    run.world.delivery_delays["dialogue", "session.v1"] = 1.0
    run.clients[0].say("hello")


async def sound_is_lost(run: Run) -> None:
    """A turn of which nothing is left but that it was accepted: speech dies in mid-sentence, dialogue starts anew."""
    run.clients[0].speak("chat and then", to_the_end=False)
    await until(run, "session.v1", "accepted")
    run.world.kill(run.stack.lives["speech"])
    await asyncio.sleep(1.0)
    run.world.kill(run.stack.lives["dialogue"])
    run.stack.start("speech")
    run.stack.start("dialogue")


async def act_before_its_row(run: Run) -> None:
    """Dialogue's disk is slow, and it dies as soon as the act is done; the turn is interrupted meanwhile."""
    world = run.world
    world.writer_delays["dialogue"] = 1.0
    run.clients[0].say("note it")
    await until(run, "effect.v1", "effect")
    Trouble(run.stack).kill(run.stack.lives["dialogue"])
    world.writer_delays.clear()
    run.clients[0].interrupt()


async def late_commit(run: Run) -> None:
    """An owner without a store gives an event up after it was replaced; the new owner dies over that event."""
    stack, world = run.stack, run.world
    first, load, save = stack.lives["dialogue"], SimStore.load, SimStore.save
    world.chunk_s = 1.0

    async def no_load(self: SimStore, *where: Any) -> Any:
        if self.life is first:
            raise Unavailable("no store")
        return await load(self, *where)

    def no_save(self: SimStore, *what: Any) -> Any:
        return self.refused() if self.life is first else save(self, *what)

    with mock.patch.object(SimStore, "load", no_load), mock.patch.object(SimStore, "save", no_save):
        run.clients[0].say("chat on")
        await asyncio.sleep(0.2)
        second = stack.start("dialogue")
        await asyncio.sleep(1.7)
        world.kill(second)
    stack.start("dialogue")


async def state_changes_under_a_turn(run: Run) -> None:
    """While one device's reply sounds, another's turn begins to speak, and dialogue dies; the sounding reply is cut,
    which changes what the conversation remembers; then the turn is handled again."""
    world, stack, other = run.world, run.stack, Client(run.stack, "s0", "d1", mute=True)
    run.clients.append(other)
    other.connect()
    world.chunk_s, world.sound_s = 0.3, 5.0
    run.clients[0].say("chat first")
    await until(run, "reply.v1", "completed")
    other.say("chat second")
    spoken = len(bodies(run, "reply.v1", "clause"))
    await until(run, "reply.v1", "clause", spoken + 1)
    world.kill(stack.lives["dialogue"])
    run.clients[0].interrupt()
    await asyncio.sleep(0.5)
    world.delivery_delays["dialogue", "intent.v1"] = 0.5
    stack.start("dialogue")


async def heard_before_it_began(run: Run) -> None:
    """A turn that waits for another device is interrupted, and dialogue hears of that long after it has spoken. A third
    device's turn, which waits behind it, has told before that nothing of it was heard."""
    world, (first, *_) = run.world, run.clients
    others = [Client(run.stack, "s0", device, mute=True) for device in ("d1", "d2")]
    run.clients += others
    for other in others:
        other.connect()
    await asyncio.sleep(0.5)
    others[0].speak("hello", to_the_end=False)
    await until(run, "session.v1", "accepted")
    first.say("chat unheard")
    await until(run, "intent.v1", "recognized")
    await asyncio.sleep(0.5)
    world.delivery_delays["dialogue", "session.v1"] = 5.0
    first.interrupt()
    await asyncio.sleep(0.1)
    others[1].say("chat after it")
    await until(run, "intent.v1", "recognized", 2)
    await asyncio.sleep(0.5)
    others[0].hush()


async def dialogue_alone_starts_anew(run: Run) -> None:
    """A device has been there all the time, but only a dialogue that is gone has been told so; a timer goes off."""
    run.clients[0].say("timer 2")
    await until(run, "session.v1", "heard")
    run.world.kill(run.stack.lives["dialogue"])
    run.stack.start("dialogue")


async def dialogue_is_given_a_session(run: Run) -> None:
    """Another dialogue had a session when a device of it came and set a timer. It dies, and the one before, which runs
    all the time, is given the session; the timer goes off."""
    world, stack = run.world, run.stack
    first, second = world.members["dialogue"], stack.start("dialogue")
    other = Client(stack, "s1", "d1", mute=False)
    run.clients.append(other)
    other.connect()
    await asyncio.sleep(0.5)
    other.say("timer 2")
    await until(run, "session.v1", "heard")
    world.kill(second)
    first.take_over()


def bodies(run: Run, topic: str, kind: str) -> list[Any]:
    places = [place for place in run.world.log if place[0] == topic]
    events = [parse(topic, written.record.value) for place in places for written in run.world.log[place]]
    return [event for event in events if event.WhichOneof("event") == kind]


async def until(run: Run, topic: str, kind: str, count: int = 1) -> None:
    async with asyncio.timeout(60):
        while len(bodies(run, topic, kind)) < count:
            await asyncio.sleep(0.01)


def interruptions(trials: int) -> Script:
    """Long replies, each cut at another moment: by a button, by a new text, by speech."""

    async def script(run: Run) -> None:
        client, chance = run.clients[0], run.world.chance
        for n in range(trials):
            client.say(f"chat {n}")
            await asyncio.sleep(chance.random() * 0.6)
            if (how := chance.random()) < 0.5:
                client.interrupt()
            elif how < 0.75:
                client.speak(f"chat and {n}")
                await asyncio.sleep(chance.random() * 0.6)

    return script
