"""Pure: from a NetworkAttachmentDefinition to an intent, and from verdicts to what is written back."""
