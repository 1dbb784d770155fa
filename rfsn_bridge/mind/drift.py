"""Noticing that what was learned no longer holds."""

from dataclasses import dataclass


@dataclass(slots=True)
class PageHinkley:
    """The two-sided Page-Hinkley test on a stream of errors: has their mean moved?

    E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954); D. V. Hinkley, "Inference about the
    change-point from cumulative sum tests", Biometrika 58 (1971). For each side, the sum of what exceeds the mean
    so far by more than `tolerance` is kept; a change is told when the sum has risen `threshold` above its lowest.
    """

    tolerance: float = 0.05
    threshold: float = 6.0
    fewest: int = 20
    """How many errors there must be before a change is told."""
    count: int = 0
    mean: float = 0.0
    risen: float = 0.0
    fallen: float = 0.0

    def changed(self, error: float) -> bool:
        """Take in an error; True once for each change, and the test begins anew."""
        self.count += 1
        self.mean += (error - self.mean) / self.count
        above = error - self.mean
        self.risen = max(0.0, self.risen + above - self.tolerance)
        self.fallen = max(0.0, self.fallen - above - self.tolerance)
        if self.count < self.fewest or max(self.risen, self.fallen) <= self.threshold:
            return False
        self.count, self.mean, self.risen, self.fallen = 0, 0.0, 0.0, 0.0
        return True
