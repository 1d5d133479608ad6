"""Task instructions before texts, as the evaluation of arXiv 2409.02727 puts them.

The instruction of a retrieval task stands before its queries alone, that of any other task,
reranking too, before every text. It is joined to the text as it is, without a space of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from embedlab.errors import EmbedLabError
from embedlab.models.design import Design

#: Of our own tasks, by category and in our words: names of ``templates.toml``, or prefixes.
BUILT_IN = {
    "STS": "task-sts",
    "Retrieval": "task-retrieval",
    "Classification": "task-classification",
    "Clustering": "task-clustering",
    "PairClassification": "Retrieve text that says the same as the given text: ",
    "Reranking": "Retrieve texts that answer the given text or belong to it: ",
    "Summarization": "Given a summary, retrieve summaries with the same meaning: ",
}
_QUERIES_ALONE = ("Retrieval",)


def check_bare(design: Design) -> None:
    """Refuse a design with prompts of its own, which the instructions would replace.

    Raises:
        EmbedLabError: it has some.
    """
    if design.query_prompt or design.document_prompt:
        raise EmbedLabError(
            f"'instructions' puts one before the texts of every task, and {design} has a prompt of "
            "its own; leave one of the two out."
        )


def instructed(design: Design, category: str, instruction: str) -> Design:
    """The design with an instruction as its prompts, where a task of this category has it."""
    document = "" if category in _QUERIES_ALONE else instruction
    return replace(design, query_prompt=instruction, document_prompt=document)


def of_mteb(task: Any) -> str:
    """The instruction of a task of MTEB's own, which mteb holds; empty where there is none.

    For 45 of the authors' 47 tasks its words are theirs, but for a full stop at the end.
    """
    prompt = task.metadata.prompt or getattr(task, "abstask_prompt", "") or ""
    return str(prompt.get("query", "") if isinstance(prompt, dict) else prompt)
