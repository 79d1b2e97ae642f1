"""Damaged files, frames and filters through the real commands: only documented outcomes are accepted.

    make fuzz                                                       # two minutes
    make fuzz SECONDS=600 SEED=7 ONLY="har capture"
    python -m tests.fuzz --kind capture --seed 7 --number 1234      # that mutant alone, and its files saved

A *mutant* is a function of its kind, a seed and a number: some files, and steps to take with them. `kinds/` makes them,
`shell.py` runs a step in this process as a shell would, `acceptance.py` says what is wrong with an outcome, `worker.py`
is a process with bounded memory and time that works mutants off, and `hunt.py` keeps the workers going.
"""
