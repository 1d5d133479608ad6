"""Twenty people at once on the real backbone, for minutes: right answers, nobody starved.

``LOAD_MINUTES`` (10) and ``LOAD_USERS`` (20) say how much. Everything asked for is answered by a
sequential reference in this process first, with a backbone of its own.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from gradio_client import Client
from support.serving import Served, client_of, serving

from embedlab import Design, embed, load_corpus
from embedlab.analysis.retrieval import search

MINUTES = float(os.environ.get("LOAD_MINUTES", "10"))
USERS = int(os.environ.get("LOAD_USERS", "20"))
#: Rounding of the answers, and what batches of other people's texts change in float32.
TOLERANCE = 1e-4
CONFIG = """
corpora: [senses]
limits: {state_cache_mb: 150, state_disk_mb: 0, vectors_mb: 100, max_users: 80, max_runs: 2}
"""
DESIGNS = (
    *("M1", "causal/mean", "bidirectional/mean", "causal/mean@1", "bidirectional/mean@1"),
    *("causal/weighted_mean", "causal/mean@20+skip_first", "M3", "M5", "causal/eos@24"),
)
WORDS = ("bank", "river", "money", "light", "match", "spring", "bark", "seal", "crane", "pitch")


@dataclass
class User:
    """One person: texts and designs of their own, and what the right answers to them are."""

    number: int
    designs: tuple[str, str]
    texts: list[str]
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    ranked: dict[str, list[list[tuple[int, float]]]] = field(default_factory=dict)


@dataclass
class Seen:
    """What happened: seconds by kind of work, and what was wrong."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_user: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def line(self, kind: str) -> str:
        """A kind's count, median and 95th percentile."""
        seconds = self.seconds[kind]
        middle, slow = np.percentile(seconds, [50, 95])
        return f"{kind:<10} {len(seconds):>5}  p50 {middle:6.2f} s  p95 {slow:6.2f} s"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("load")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    command = ["-m", "embedlab", "serve", "--config", str(folder / "config.yaml")]
    with serving(folder, command) as served:
        yield served


def users(smollm2: Any) -> list[User]:
    """Twenty people with their right answers, one after the other and one text at a time."""
    corpus = load_corpus("senses")
    found = []
    for number in range(USERS):
        generator = random.Random(number)
        texts = [
            f"Person {number} wrote of the {' and the '.join(generator.sample(WORDS, 3))}, {i}."
            for i in range(12)
        ]
        a, b = generator.sample(DESIGNS, 2)
        user = User(number, (a, b), texts)
        for name in user.designs:
            design = Design.parse(name)
            user.vectors[name] = np.concatenate([embed([t], design, smollm2) for t in texts])
            vectors = embed(corpus.texts, design, smollm2)
            asked = np.concatenate([embed([t], design, smollm2, query=True) for t in texts])
            ids, scores = search(vectors, asked, 5)
            user.ranked[name] = [
                list(zip(row, s, strict=True))
                for row, s in zip(ids.tolist(), scores.tolist(), strict=True)
            ]
        found.append(user)
    return found


def embedding(user: User, client: Client, generator: random.Random) -> str:
    chosen = generator.sample(range(len(user.texts)), 4)
    name = generator.choice(user.designs)
    answer = client.predict([user.texts[i] for i in chosen], name, "", api_name="/embed")
    far = np.abs(np.array(answer["vectors"]) - user.vectors[name][chosen]).max()
    return "" if far <= TOLERANCE else f"vectors of {name} are {far:.1e} off"


def retrieving(user: User, client: Client, generator: random.Random) -> str:
    chosen = generator.randrange(len(user.texts))
    answer = client.predict(user.texts[chosen], "senses", *user.designs, 5, api_name="/retrieve")
    for side, name in zip("ab", user.designs, strict=True):
        scores = [hit["score"] for hit in answer[side]["results"]]
        expected = [score for _, score in user.ranked[name][chosen]]
        if not np.allclose(scores, expected, atol=TOLERANCE):
            return f"scores of {name} are {scores}, not {expected}"
    return ""


def comparing(user: User, client: Client, generator: random.Random) -> str:
    chosen = generator.sample(range(len(user.texts)), 6)
    answer = client.predict([user.texts[i] for i in chosen], *user.designs, api_name="/similarity")
    for side, name in zip("ab", user.designs, strict=True):
        rows = user.vectors[name][chosen]
        far = np.abs(np.array(answer[side]["matrix"]) - rows @ rows.T).max()
        if far > TOLERANCE:
            return f"similarities of {name} are {far:.1e} off"
    return ""


def mapping(user: User, client: Client, generator: random.Random) -> str:
    answer = client.predict("senses", *user.designs, api_name="/project")
    for side, name in zip("ab", user.designs, strict=True):
        points = [(p["x"], p["y"]) for p in answer[side]["points"]]
        if answer[side]["design"] != str(Design.parse(name)) or len(points) != 160:
            return f"the map is of {answer[side]['design']} with {len(points)} points"
        if not np.isfinite(points).all():
            return f"the map of {name} has points nowhere"
    return ""


KINDS: dict[str, tuple[int, Callable[[User, Client, random.Random], str]]] = {
    "embed": (4, embedding),
    "retrieve": (4, retrieving),
    "similarity": (3, comparing),
    "map": (1, mapping),
}


def work(user: User, url: str, until: float, seen: Seen, pause: float) -> None:
    """One person asking one thing after another, with moments to look at the answer."""
    client, generator = client_of(url), random.Random(1000 + user.number)
    kinds, weights = list(KINDS), [weight for weight, _ in KINDS.values()]
    while time.monotonic() < until:
        (kind,) = generator.choices(kinds, weights)
        start = time.monotonic()
        try:
            wrong = KINDS[kind][1](user, client, generator)
        except Exception as error:
            seen.errors.append(f"{kind}: {type(error).__name__}: {error}")
        else:
            seen.seconds[kind].append(time.monotonic() - start)
            seen.by_user[user.number] += 1
            if wrong:
                seen.wrong.append(f"{kind}: {wrong}")
        time.sleep(generator.uniform(0, 2 * pause))


def training(url: str, until: float, seen: Seen) -> None:
    """Somebody who trains, again and again."""
    client = client_of(url)
    while time.monotonic() < until:
        start = time.monotonic()
        try:
            job = client.submit(
                *("", "M1", "stsb-train"), steps=4, batch=8, held_out=8, api_name="/finetune"
            )
            last = job.result(timeout=600)
        except Exception as error:
            seen.errors.append(f"training: {type(error).__name__}: {error}")
            return
        seen.seconds["training"].append(time.monotonic() - start)
        if last["state"] != "done":
            seen.wrong.append(f"training: {last['state']}")


def watching(url: str, until: float, memory: list[dict[str, Any]]) -> None:
    client = client_of(url)
    while time.monotonic() < until:
        memory.append(client.predict(api_name="/health"))
        time.sleep(5)


@pytest.mark.slow
def test_twenty_at_once_get_right_answers_and_nobody_starves(smollm2: Any, app: Served) -> None:
    people = users(smollm2)
    alone, seen, memory = Seen(), Seen(), []
    work(people[0], app.url, time.monotonic() + 60, alone, 0.2)
    until = time.monotonic() + 60 * MINUTES
    threads = [
        *(threading.Thread(target=work, args=(u, app.url, until, seen, 2.0)) for u in people),
        threading.Thread(target=training, args=(app.url, until, seen)),
        threading.Thread(target=watching, args=(app.url, until, memory)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for title, found in ((f"{USERS} users, {MINUTES:g} minutes", seen), ("one user", alone)):
        print(f"\n{title}")
        for kind in found.seconds:
            print("  " + found.line(kind))
    resident = np.array([m["memory_mb"]["process"] for m in memory])
    half = resident[len(resident) // 2 :]
    slope = np.polyfit(np.arange(len(half)), half, 1)[0] * len(half)
    print(f"memory: {resident.max()} MB at most, {slope:+.0f} MB over the last half")
    print(f"requests a user: {min(seen.by_user.values())} to {max(seen.by_user.values())}")
    assert not seen.wrong, seen.wrong[:5]
    assert not seen.errors, seen.errors[:5]
    assert len(seen.by_user) == USERS
    assert seen.seconds["training"]
    assert min(seen.by_user.values()) >= 0.3 * np.median(list(seen.by_user.values()))
    assert all(
        m["memory_mb"]["states"] <= m["memory_mb"]["states_budget"]
        and m["memory_mb"]["vectors"] <= m["memory_mb"]["vectors_budget"]
        for m in memory
    )
    assert abs(slope) < 0.1 * resident.max()
