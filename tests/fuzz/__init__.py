"""Fuzz tests of everything that reads untrusted input.

`make test` replays the corpus and the regressions, and generates variations of them (hypothesis). `make fuzz`
searches for new inputs, guided by coverage (atheris), and keeps them as lines of hexadecimal: an input that
reaches new code in corpus/TARGET.txt, one that fails in regressions/TARGET.txt.
"""
