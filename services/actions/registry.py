"""Which action is done by whom. Routing is data."""

from services.actions.domain import Action
from services.actions.domains import alarms, calculator, clock, lists, notes, timers, units

ACTIONS: dict[str, Action] = {
    **clock.ACTIONS,
    **timers.ACTIONS,
    **alarms.ACTIONS,
    **calculator.ACTIONS,
    **units.ACTIONS,
    **lists.ACTIONS,
    **notes.ACTIONS,
}
