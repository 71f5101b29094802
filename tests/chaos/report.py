"""What a run of faults found, as a table and as JSON."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.chaos.measures import percentile
from tests.chaos.run import Result
from tests.chaos.silent import stories


def as_json(result: Result) -> dict[str, Any]:
    plan, found, asked = result.plan, result.evidence, result.under_faults
    return {
        "seed": plan.seed,
        "processes": dict(plan.counts),
        "asked_under_faults": len(asked),
        "spoken": sum(a.spoken for a in asked),
        "asked_without_faults": sum(len(t.asked) for t in result.talkers) - len(asked),
        "outcomes": dict(result.outcomes),
        "turns_in_the_log": len(found.opened()),
        "acts_done": sum(c.settlement == 1 and c.action not in ("list.show", "") for c in found.calls.values()),
        "timers_gone_off": len({f.event.fired.timer_id for t in found.turns.values() for f in t.of("fired")}),
        "poison": len(result.poison),
        "dead_letters": len(found.letters),
        "dead_letters_replayed": result.replayed,
        "restarted_after_an_end_by_itself": result.restarts,
        "conversations_begun_anew": sum(t.reconnected for t in result.talkers),
        "said_again": sum(len(a.ids) > 1 for a in asked),
        "settled_after_s": round(result.settle_s, 1),
        "outages": [_outage(o) for o in result.outages],
        "problems": result.problems,
        "not_told": stories(found, result.talkers),
        **result.measured,
    }


def _outage(outage: Any) -> dict[str, Any]:
    return {
        "fault": outage.fault.kind,
        "target": outage.fault.target or "all",
        "lasted_s": round((outage.undone_us - outage.began_us) / 1e6, 2),
        "catch_up_s": round(outage.catch_up_s, 2),
    }


def table(result: Result) -> str:
    told = as_json(result)
    lines = [f"{name.replace('_', ' '):34} {_short(value)}" for name, value in told.items() if _is_short(value)]
    kinds: dict[str, list[Any]] = defaultdict(list)
    for outage in result.outages:
        kinds[outage.fault.kind].append(outage)
    lines.append(f"\n{'fault':18} {'times':>5} {'longest s':>10} {'catch-up s: median':>19} {'longest':>8}")
    for kind, found in sorted(kinds.items()):
        late = [o.catch_up_s for o in found]
        longest = max((o.undone_us - o.began_us) / 1e6 for o in found)
        lines.append(f"{kind:18} {len(found):5} {longest:10.1f} {percentile(late, 0.5):19.1f} {max(late):8.1f}")
    seconds = [a.seconds for a in result.under_faults if a.ended]
    lines.append(f"\nasked to ended: p50 {percentile(seconds, 0.5):.2f} s, p99 {percentile(seconds, 0.99):.2f} s")
    why = Counter(p for a in result.under_faults if a.outcome != "answered" for p in a.problems)
    lines += [f"  {n} x {problem}" for problem, n in why.most_common(8)]
    lines += [*told["not_told"], *(f"BROKEN: {problem}" for problem in result.problems)]
    lines.append(f"seed {result.plan.seed}: {len(result.problems)} problems")
    return "\n".join(lines)


def write(result: Result, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(as_json(result), indent=1) + "\n")


def _is_short(value: Any) -> bool:
    return not isinstance(value, list)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_short(v)} {k}" for k, v in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)
