"""A plain reference of the judgement: from what an updater could have seen to what must stand.

It is written from the rules, shares no code with services.network.judge, and computes everything anew at
each look. The real updater is held against it over random histories.
"""
