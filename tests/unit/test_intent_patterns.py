"""Requests in the usual words, and as they are heard in noise; never an open question."""

import time

import pytest

from services.intent.patterns import match


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("what time is it in Tokyo", "time.now"),
        ("What time is in Tokyo?", "time.now"),
        ("Set a timer for ten seconds.", "timer.set"),
        ("Set a time for ten seconds.", "timer.set"),
        ("What is seven times twelve?", "calc.evaluate"),
        ("Put milk on my shopping list.", "list.add"),
        ("with milk on my shopping list", "list.add"),
        ("What's on my shopping list?", "list.show"),
        ("When is my next meeting?", "calendar.next"),
        ("when is my next meaning", "calendar.next"),
        ("What is Anna's number?", "contacts.phone"),
        ("What is Andy's member?", "contacts.phone"),
        ("N is number", "contacts.phone"),
        ("Hey, could you set an alarm for seven, please?", "alarm.set"),
        ("cancel the timer", "timer.cancel"),
        ("Yes, please.", "affirm"),
        ("no thanks", "deny"),
        ("stop talking", "stop"),
        ("hello there", "greeting"),
    ],
)
def test_a_usual_request_is_found(said: str, intent: str) -> None:
    found = match(said)
    assert found is not None
    assert found.intent == intent
    assert found.found_by == "patterns"


@pytest.mark.parametrize(
    "said",
    [
        "what time does the train leave",
        "what is the meaning of the word timer",
        "who invented the alarm clock",
        "how do i stop hiccups",
        "where does the president live",
        "what is the first phone number ever",
        "is seven a lucky number",
        "what is the difference between a mile and a kilometer",
        "ask not what your country can do for you",
    ],
)
def test_an_open_question_is_left_alone(said: str) -> None:
    assert match(said) is None


def test_a_sum_that_cannot_be_read_is_left_alone() -> None:
    assert match("what is seven times to well") is None


@pytest.mark.parametrize("piece", ["a, ", "what is ", "hey ", "1 + ", "how many ", "put list ", "yes ", "cancel a "])
def test_hostile_repetition_takes_no_time(piece: str) -> None:
    match("what time is it")
    began = time.perf_counter()
    match(piece * (199 // len(piece)))
    match(piece * 5000)
    assert time.perf_counter() - began < 0.5
