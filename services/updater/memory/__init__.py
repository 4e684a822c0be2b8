"""What the updater holds in memory, as Redis has it: verdicts, records, doubts; and when time changes one."""
