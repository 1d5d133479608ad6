"""Which differences between designs are real: the paper's experiment, with statistics.

In the order in which a study passes through them:

- ``definition``: a study and its cells, and the study file that describes one.
- ``run``: trains and measures every cell; ``mteb_tasks`` lets mteb compute the scores.
- ``folder``: what is written to disk after every cell.
- ``findings``: from the cells to a report, by ``comparisons``.
- ``report``: the report itself, written and read.
"""
