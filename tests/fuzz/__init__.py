"""Inputs that nobody thought of, for everything that reads what strangers send.

`make test` replays the corpus and the regressions and makes up variations of them (hypothesis); `make fuzz`
looks for new ones, led by coverage (atheris), and keeps what it finds: an input that reaches new code in
corpus/TARGET.txt, one that breaks something in regressions/TARGET.txt, both as lines of hexadecimal.
"""
