"""Who runs a pass: every model has one owner, which alone calls it.

:mod:`.owner` is what everybody else sees of an owner, :mod:`.local` the thread that owns a model in
this process's memory, :mod:`.batches` how texts are cut into batches.
"""
