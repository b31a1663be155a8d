# SPDX-License-Identifier: Apache-2.0
"""Numbers with their spread, and ratios that say when they are not resolved."""
import statistics


class Sample:
    def __init__(self, values):
        self.values = sorted(values)

    @property
    def median(self):
        return statistics.median(self.values)

    def quantile(self, q):
        return self.values[min(len(self.values) - 1, int(q * len(self.values)))]

    @property
    def spread(self):
        """Half the distance between the quartiles."""
        return (self.quantile(0.75) - self.quantile(0.25)) / 2

    def text(self, unit, digits=0):
        return "%.*f %s (±%.*f, n=%d)" % (digits, self.median, unit, digits, self.spread, len(self.values))


def ratio(with_it, without):
    """Ratios of neighbours in time: each round measured both, so what the machine did to one it did to the other."""
    return Sample([a / b for a, b in zip(with_it, without)])


def ratio_text(with_it, without, goal=None):
    r = ratio(with_it, without)
    text = "%.2f (±%.2f)" % (r.median, r.spread)
    if r.quantile(0.25) < 1 < r.quantile(0.75):
        text += ", unresolved: the difference is within the noise"
    if goal is not None:
        text += "  goal: at most %s" % goal
        if r.quantile(0.25) <= goal < r.quantile(0.75):
            text += ", unresolved"
        else:
            text += ", %s" % ("met" if r.median <= goal else "MISSED")
    return text
