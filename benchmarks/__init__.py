"""What the program must be fast at, each as a ratio to a floor taken in the same run: ``python -m benchmarks``.

Nothing here is a test. A ratio over its target is a reason to look, never a failure: the machine is never quiet.
"""
