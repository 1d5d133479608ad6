"""Who runs a pass: every model has one owner, which alone calls it.

:mod:`.owner` is what everybody else sees of an owner, :mod:`.local` the thread that owns a model in
this process's memory, :mod:`.lent` the owner of models on a GPU that is lent by the call, and
:mod:`.direct` the one inside such a call. :mod:`.batches` says how texts are cut into batches.
"""
