"""How far a run is, how fast, and when it will end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from embedlab.progress import Progress
from embedlab.stream.inputs import Source

#: Seconds between two lines where no bar is drawn.
LINE_SECONDS = 60.0


class Pace:
    """Counts what is done and says so, on a progress bar and now and then in a line.

    What is left is judged by the share of the input's bytes, since nobody knows how many texts a
    file has before it is read. Splits of a Hub data set count as the largest file.

    Args:
        sources: all of the run.
        finished: the numbers of those that were done before.
        progress: as everywhere, with thousandths of the input.
        say: for a line; None where a bar is drawn.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        finished: Sequence[int],
        progress: Progress,
        say: Callable[[str], None] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        largest = max((source.size for source in sources), default=0) or 1
        self._sizes = [source.size or largest for source in sources]
        self._shares = dict.fromkeys(finished, 1.0)
        self._progress, self._say, self._clock = progress, say, clock
        self._began = self._said = clock()
        self._share_before: float | None = None
        self.texts = 0
        self._under_way = 0

    def at(self, source: int, share: float) -> None:
        """A source has been read to this share of it."""
        self._shares[source] = max(share, self._shares.get(source, 0.0))
        if self._share_before is None:
            self._share_before = self.share

    def embedded(self, texts: int) -> None:
        """So many more texts are done."""
        self.texts += texts
        self.under_way(0)

    def under_way(self, texts: int) -> None:
        """So many texts of the part that is being computed are done."""
        self._under_way = texts
        self._progress(int(1000 * self.share), 1000, self.words)
        if self._say is not None and self._clock() - self._said >= LINE_SECONDS:
            self._said = self._clock()
            self._say(f"{100 * self.share:.0f} % · {self.words}")

    @property
    def share(self) -> float:
        """Of the input that has been read, 0 to 1."""
        done = sum(self._sizes[i] * share for i, share in self._shares.items())
        return done / sum(self._sizes)

    @property
    def rate(self) -> float:
        """Texts a second in this process."""
        return (self.texts + self._under_way) / max(1e-9, self._clock() - self._began)

    @property
    def words(self) -> str:
        """``12,000 texts, 41 a second, until about 14:32``."""
        texts = self.texts + self._under_way
        said = f"{texts:,} texts, {self.rate:,.3g} a second"
        seconds = self._seconds_left(texts)
        if seconds is None:
            return said
        end = datetime.now() + timedelta(seconds=seconds)
        day = "" if seconds < 12 * 3600 else f"{end:%a %d %b} "
        return f"{said}, until about {day}{end:%H:%M}"

    def _seconds_left(self, texts: int) -> float | None:
        """From the share that the texts of this process took of the input."""
        gained = self.share - (self._share_before or 0.0)
        if not self.texts or gained <= 0:
            return None
        # What was read ahead of the texts that are done is not done.
        return (self._clock() - self._began) * (1 - self.share) / gained
