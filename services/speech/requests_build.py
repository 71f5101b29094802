"""Makes model/requests.npz from the public requests in data/nlu: `python -m services.speech.requests_build`.

Only the training splits of CLINC150 and HWU64 are counted: what we wrote ourselves holds misheard requests too.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.speech.requests import FILE, ORDERS, UNKNOWN, key, tokens

_DATA = Path(__file__).parents[2] / "data" / "nlu"


def sentences() -> list[str]:
    clinc = json.loads((_DATA / "clinc150.json").read_text("utf-8"))
    asked = [text for split in ("train", "oos_train") for text, _ in clinc[split]]
    return asked + (_DATA / "hwu64" / "train" / "seq.in").read_text("utf-8").splitlines()


def arrays(texts: list[str]) -> dict[str, NDArray[np.generic]]:
    """What the file holds: the vocabulary, and for each order the keys (as differences) and their counts."""
    said = [tokens(text) for text in texts]
    vocabulary = [UNKNOWN, *sorted({word for words in said for word in words})]
    numbers = {word: n for n, word in enumerate(vocabulary)}
    made: dict[str, NDArray[np.generic]] = {"vocabulary": np.frombuffer("\n".join(vocabulary).encode(), np.uint8)}
    for order in ORDERS:
        counted = _counted([[numbers[word] for word in words] for words in said], order, len(vocabulary))
        keys = np.array(sorted(counted), np.int64)
        made[f"keys{order}"] = np.diff(keys, prepend=0)
        made[f"counts{order}"] = np.array([counted[k] for k in keys.tolist()], np.int32)
    return made


def _counted(said: list[list[int]], order: int, size: int) -> Counter[int]:
    return Counter(key(words[at - order + 1 : at + 1], size) for words in said for at in range(2, len(words)))


def main() -> None:
    made = arrays(sentences())
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **made)  # type: ignore[arg-type]
    print(f"{FILE.name}: {', '.join(f'{len(made[name])} {name}' for name in made if name.startswith('keys'))}")


if __name__ == "__main__":
    main()
