"""The facts about a site, and the findings that follow from them: what is wrong, and what to do."""
