"""Cost of the SDK compared with the obvious alternatives: `python -m benchmarks NAME`.

Subjects run in shuffled, interleaved rounds. A shared machine changes its speed within seconds, so figures of
different runs are not comparable. Medians of same-round ratios are.
"""
