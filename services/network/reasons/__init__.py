"""The words for states and reasons: messages of Events, meanings and steps."""
