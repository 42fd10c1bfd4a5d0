"""What the SDK costs beside the obvious alternatives: `python -m benchmarks NAME`.

Subjects run in shuffled, interleaved rounds. A machine that others share changes its speed within seconds, so figures
of different runs are not comparable; the median of same-round ratios is.
"""
